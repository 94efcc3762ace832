//! Sigma's public rules over the executions, files and connections of the mix: here, and in
//! `rsigma-eval` as it is by default, with an engine for each log source.
//!
//! Both get the same events with the same fields, which they look up in the same way; decoding and
//! enrichment are no part of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, ensure};
use gravlens::decode::{ExecView, Record, decode};
use gravlens::detect::catalogue::field;
use gravlens::detect::{
    self, FieldArg, FieldId, FieldSource, LoadOptions, Outcome, OwnedScalar, RuleFile, RuleSet,
    Value,
};
use gravlens::model::{AddressFamily, SocketAddress, Syscall};
use gravlens_common::{Call, ExecKey};
use integration_test::bench::stats::{Interval, median, median_ratio};
use integration_test::corpora::corpora;
use rsigma_eval::Engine;
use rsigma_eval::event::{Event as Told, EventValue};
use rsigma_parser::parse_sigma_yaml;

use crate::measure::cpu_seconds;
use crate::mix::Mix;

/// Log sources with the public rules of a folder each.
const SOURCES: [&str; 3] = ["process_creation", "file_event", "network_connection"];
/// Events of each log source, at most.
const MOST: usize = 20_000;

/// What was measured.
pub(crate) struct Sigma {
    rules: usize,
    /// Events of each log source.
    events: [usize; 3],
    pub(crate) here: Rate,
    pub(crate) rsigma: Rate,
    /// CPU time of the other over that here.
    ratio: Interval,
}

/// How fast an engine is.
pub(crate) struct Rate {
    pub(crate) per_second: f64,
}

impl Sigma {
    pub(crate) fn measure(mix: &Mix, blocks: usize, length: Duration) -> Result<Self> {
        let files = files()?;
        let all: Vec<RuleFile> = files.concat();
        let loaded = detect::load(&all, &LoadOptions::default());
        let refused = &loaded.report.refused;
        ensure!(refused.is_empty(), "{}", loaded.report.to_text());
        let engines = files.iter().map(|files| engine(files));
        let engines = engines.collect::<Result<Vec<Engine>>>()?;
        let events = events(mix);
        let counts = [0, 1, 2].map(|source| of_source(&events, source));
        ensure!(
            !events.is_empty(),
            "the mix has nothing that Sigma's rules are about"
        );
        ensure_equal(&loaded.set, &engines, &events)?;
        let (mut here, mut rsigma) = (Vec::new(), Vec::new());
        for _ in 0..blocks {
            // Forwards and backwards, so that what drifts meets both alike.
            let here_first = own(&loaded.set, &events, length);
            let rsigma_first = other(&engines, &events, length);
            let rsigma_then = other(&engines, &events, length);
            let here_then = own(&loaded.set, &events, length);
            here.push(f64::midpoint(here_first, here_then));
            rsigma.push(f64::midpoint(rsigma_first, rsigma_then));
        }
        Ok(Self {
            rules: loaded.set.rules().len(),
            events: counts,
            ratio: median_ratio(&rsigma, &here),
            here: Rate::new(&mut here),
            rsigma: Rate::new(&mut rsigma),
        })
    }

    pub(crate) fn print(&self) {
        let [processes, files, connections] = self.events;
        println!(
            "sigma_events_per_s   {:>9.0}  {} public rules of Sigma over {processes} executions, {files} \
             files and {connections} connections",
            self.here.per_second, self.rules
        );
        println!(
            "rsigma_events_per_s  {:>9.0}  the same in rsigma-eval: {:.1} times the CPU time, {:.1} to {:.1}",
            self.rsigma.per_second, self.ratio.median, self.ratio.low, self.ratio.high
        );
    }
}

impl Rate {
    fn new(nanoseconds: &mut [f64]) -> Self {
        Self {
            per_second: 1e9 / median(nanoseconds),
        }
    }
}

/// The public rules, by log source.
fn files() -> Result<Vec<Vec<RuleFile>>> {
    let folder = corpora("sigma").map_err(Error::msg)?;
    let read = |source| detect::read_paths(&[folder.join(source)]);
    Ok(SOURCES.iter().map(read).collect::<Result<_, _>>()?)
}

fn engine(files: &[RuleFile]) -> Result<Engine> {
    let mut engine = Engine::new();
    for file in files {
        let rules = parse_sigma_yaml(&file.text).with_context(|| file.path.clone())?;
        engine
            .add_collection(&rules)
            .with_context(|| file.path.clone())?;
    }
    Ok(engine)
}

/// An event for both.
struct Seen {
    /// Position of its log source.
    source: usize,
    syscall: Syscall,
    fields: Vec<(&'static str, FieldId, Text)>,
}

/// A value for both.
struct Text {
    text: String,
    value: OwnedScalar,
}

impl Seen {
    fn new(source: usize, syscall: Syscall) -> Self {
        let mut seen = Self {
            source,
            syscall,
            fields: Vec::new(),
        };
        // What each log source takes for granted.
        seen.add("", "evt.failed", "false", Some(OwnedScalar::Bool(false)));
        if SOURCES[source] == "network_connection" {
            seen.add("", "fd.sockfamily", "ip", None);
        }
        seen
    }

    /// Adds a field under both names; a value that is a text needs no other form.
    fn add(&mut self, sigma: &'static str, here: &str, text: &str, value: Option<OwnedScalar>) {
        let id = field(here).expect("a field of the catalogue").id;
        let value = value.unwrap_or_else(|| OwnedScalar::Text(text.as_bytes().into()));
        let text = text.to_owned();
        self.fields.push((sigma, id, Text { text, value }));
    }

    fn add_image(&mut self, image: Option<&Arc<Image>>) {
        if let Some(image) = image {
            self.add("Image", "proc.exepath", &image.path, None);
            self.add("CommandLine", "proc.exeline", &image.line, None);
        }
    }
}

impl FieldSource for Seen {
    fn syscall(&self) -> Syscall {
        self.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        _argument: Option<&'a FieldArg>,
        _scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        let mut fields = self.fields.iter();
        match fields.find(|(_, id, _)| *id == field) {
            Some((_, _, text)) => Value::One(text.value.borrow()),
            None => Value::Missing,
        }
    }
}

impl Told for Seen {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let mut fields = self.fields.iter();
        let (_, _, text) = fields.find(|(name, ..)| *name == path)?;
        Some(EventValue::Str(Cow::Borrowed(&text.text)))
    }

    fn any_string_value(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.fields.iter().any(|(_, _, text)| test(&text.text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let texts = self.fields.iter().map(|(_, _, text)| &*text.text);
        texts.map(Cow::Borrowed).collect()
    }

    fn to_json(&self) -> serde_json::Value {
        let fields = self.fields.iter();
        fields
            .map(|(name, _, text)| ((*name).to_owned(), text.text.clone().into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// What a process runs.
struct Image {
    path: String,
    line: String,
}

impl Image {
    fn new(exec: &ExecView<'_>) -> Self {
        let arguments = exec.argv.strip_suffix(b"\0").unwrap_or(exec.argv);
        let line = String::from_utf8_lossy(arguments).replace('\0', " ");
        Self {
            path: String::from_utf8_lossy(exec.exe.path.bytes).into_owned(),
            line,
        }
    }
}

/// What processes run, as far as the mix tells.
#[derive(Default)]
struct Images {
    by_key: HashMap<ExecKey, Arc<Image>>,
    by_pid: HashMap<u32, Arc<Image>>,
}

impl Images {
    /// Learns from a record.
    fn follow(&mut self, record: &Record<'_>) {
        let (context, image) = match record {
            Record::Exec(exec) => (&exec.context, Some(Arc::new(Image::new(exec)))),
            Record::Fork(fork) => (&fork.child, self.by_key.get(&fork.forker).cloned()),
            _ => return,
        };
        if let Some(image) = image {
            self.by_key
                .insert(context.exec_id.key(), Arc::clone(&image));
            self.by_pid.insert(context.exec_id.tgid, image);
        }
    }
}

/// The events of the mix that Sigma's rules are about.
fn events(mix: &Mix) -> Vec<Seen> {
    let mut images = Images::default();
    let mut events = Vec::new();
    let mut room = [MOST; 3];
    for record in mix.all() {
        let Ok((_, record)) = decode(record) else {
            continue;
        };
        let parent = match &record {
            Record::Exec(exec) => images.by_pid.get(&exec.context.parent_tgid).cloned(),
            _ => None,
        };
        images.follow(&record);
        if let Some(seen) = seen(&record, &images, parent.as_ref())
            && room[seen.source] > 0
        {
            room[seen.source] -= 1;
            events.push(seen);
        }
    }
    events
}

fn seen(record: &Record<'_>, images: &Images, parent: Option<&Arc<Image>>) -> Option<Seen> {
    match record {
        Record::Exec(exec) => {
            let mut seen = Seen::new(0, Syscall::Execve);
            seen.add_image(images.by_key.get(&exec.context.exec_id.key()));
            let directory = String::from_utf8_lossy(exec.cwd.bytes);
            seen.add(
                "CurrentDirectory",
                "sigma.current_directory",
                &directory,
                None,
            );
            if let Some(parent) = parent {
                seen.add("ParentImage", "proc.pexepath", &parent.path, None);
                let line = &parent.line;
                seen.add("ParentCommandLine", "sigma.parent_command_line", line, None);
            }
            Some(seen)
        }
        Record::Open(open) if open.created || matches!(open.flags & 0o3, 1 | 2) => {
            let mut seen = Seen::new(1, Syscall::Openat);
            let path = String::from_utf8_lossy(&open.path.bytes);
            seen.add("TargetFilename", "sigma.target_filename", &path, None);
            seen.add_image(images.by_key.get(&ExecKey(open.context.exec_key)));
            Some(seen)
        }
        Record::Socket(socket) if socket.call == Call::Connect => {
            let endpoint = socket.endpoint();
            let SocketAddress::Ip(address, port) = endpoint.remote? else {
                return None;
            };
            if endpoint.family == AddressFamily::Unix {
                return None;
            }
            let mut seen = Seen::new(2, Syscall::Connect);
            let value = OwnedScalar::Address(address);
            seen.add("DestinationIp", "fd.sip", &address.to_string(), Some(value));
            let value = OwnedScalar::Number(port.into());
            seen.add(
                "DestinationPort",
                "fd.sport",
                &port.to_string(),
                Some(value),
            );
            let server = Some(OwnedScalar::Bool(false));
            seen.add("Initiated", "fd.is_server", "true", server);
            seen.add_image(images.by_key.get(&ExecKey(socket.context.exec_key)));
            Some(seen)
        }
        _ => None,
    }
}

fn of_source(events: &[Seen], source: usize) -> usize {
    events.iter().filter(|event| event.source == source).count()
}

/// Both find the same: else their times could not be compared.
fn ensure_equal(set: &RuleSet, engines: &[Engine], events: &[Seen]) -> Result<()> {
    let mut outcome = Outcome::default();
    for event in events {
        set.evaluate(event, &mut outcome);
        let (here, there) = (
            outcome.matched.len(),
            engines[event.source].evaluate(event).len(),
        );
        let fields = event.to_json();
        ensure!(
            here == there,
            "{here} rules match here, {there} there: {fields}"
        );
    }
    Ok(())
}

/// CPU time here for each event, in nanoseconds.
fn own(set: &RuleSet, events: &[Seen], length: Duration) -> f64 {
    let mut outcome = Outcome::default();
    timed(events, length, |event| {
        set.evaluate(event, &mut outcome);
        black_box(&outcome.matched);
    })
}

/// CPU time of the other implementation.
fn other(engines: &[Engine], events: &[Seen], length: Duration) -> f64 {
    timed(events, length, |event| {
        black_box(engines[event.source].evaluate(event));
    })
}

fn timed(events: &[Seen], length: Duration, mut evaluate: impl FnMut(&Seen)) -> f64 {
    let until = Instant::now() + length;
    let (mut spent, mut count) = (0.0, 0);
    while count == 0 || Instant::now() < until {
        let begun = cpu_seconds();
        events.iter().for_each(&mut evaluate);
        spent += cpu_seconds() - begun;
        count += events.len();
    }
    spent * 1e9 / count as f64
}
