//! An event made of field values.

use std::collections::{HashMap, HashSet};

use super::super::catalogue::{Argument, FieldArg, FieldId, FieldInfo, Kind, field};
use super::super::compile::test::parse_number;
use super::super::event_types::EventTypes;
use super::super::falco::source::Place;
use super::super::falco::yaml::Node;
use super::super::fields::{FieldSource, names};
use super::super::value::{OwnedScalar, Value, Values};
use crate::model::Syscall;

/// An event made of field values. What is not given is missing, apart from what follows from the
/// values that are (`docs/rules.md` has the list).
#[derive(Clone, Debug)]
pub struct SampleEvent {
    syscall: Syscall,
    values: HashMap<(FieldId, Option<FieldArg>), Vec<OwnedScalar>>,
    unknown: HashSet<FieldId>,
}

type Failure = (Place, String);

impl FieldSource for SampleEvent {
    fn syscall(&self) -> Syscall {
        self.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        _scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        if self.unknown.contains(&field) {
            return Value::Unknown;
        }
        match self
            .values
            .get(&(field, argument.cloned()))
            .map(Vec::as_slice)
        {
            None | Some([]) => Value::Missing,
            Some([value]) => Value::One(value.borrow()),
            Some(values) => Value::Many(Values::Owned(values)),
        }
    }
}

impl SampleEvent {
    /// Reads the fields of a sample; `None` if they do not tell the event's type.
    pub(super) fn new(
        fields: &[(Node<'_>, Node<'_>)],
        unknown: &[Node<'_>],
    ) -> Result<Option<Self>, Failure> {
        let mut event = Self {
            syscall: Syscall::Execve,
            values: HashMap::new(),
            unknown: HashSet::new(),
        };
        for &(key, value) in fields {
            event.set(key, value)?;
        }
        for node in unknown {
            let name = node.scalar().unwrap_or_default();
            let info = field(name).ok_or_else(|| (node.place(), no_field(name)))?;
            event.unknown.insert(info.id);
        }
        let Some(name) = event.text("evt.type") else {
            return Ok(None);
        };
        let place = fields[0].0.place();
        event.syscall = Syscall::ALL
            .iter()
            .copied()
            .find(|syscall| syscall.name() == name)
            .ok_or_else(|| (place, format!("no hook produces '{name}' events")))?;
        event.complete();
        Ok(Some(event))
    }

    /// An event with these values, of which all fields that are not named are missing; `None` if one
    /// of them is no field or the value is not of its type. It happens before any exception ends.
    pub fn with_values(values: &[(&str, &str)]) -> Option<Self> {
        let mut event = Self {
            syscall: Syscall::Execve,
            values: HashMap::new(),
            unknown: HashSet::new(),
        };
        for &(name, text) in [("evt.rawtime", "0")].iter().chain(values) {
            let info = field(name)?;
            event
                .values
                .insert((info.id, None), vec![scalar(info, text)?]);
        }
        Some(event)
    }

    fn set(&mut self, key: Node<'_>, node: Node<'_>) -> Result<(), Failure> {
        let written = key.scalar().unwrap_or_default();
        let (name, argument) = match written.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']')),
            None => (written, None),
        };
        let info = field(name).ok_or_else(|| (key.place(), no_field(name)))?;
        let argument = argument.map(|argument| match argument.parse() {
            Ok(index) => FieldArg::Index(index),
            Err(_) => FieldArg::Text(argument.into()),
        });
        let mut values = Vec::new();
        for item in node.items().unwrap_or_else(|| vec![node]) {
            let text = item.scalar().unwrap_or_default();
            let value = scalar(info, text).ok_or_else(|| {
                let kind = info.kind.name();
                (
                    item.place(),
                    format!("'{text}' is no {kind}, as '{name}' is"),
                )
            })?;
            values.push(value);
        }
        // The values of an ancestor field are its ancestors in order.
        if info.argument == Argument::OptionalIndex && argument.is_none() && name != "proc.args" {
            for (index, value) in (1..).zip(&values) {
                let key = (info.id, Some(FieldArg::Index(index)));
                self.values.insert(key, vec![value.clone()]);
            }
        }
        self.values.insert((info.id, argument), values);
        Ok(())
    }

    /// Adds what follows from the values that were given.
    fn complete(&mut self) {
        for (name, value) in [
            ("evt.dir", "<"),
            ("evt.source", "syscall"),
            ("evt.num", "1"),
            ("evt.rawtime", "0"),
            ("container.id", "c0ffee000000"),
            ("user.uid", "0"),
            ("user.loginuid", "-1"),
            ("proc.tty", "0"),
        ] {
            self.default(name, value);
        }
        if self.text("user.uid").as_deref() == Some("0") {
            self.default("user.name", "root");
        }
        self.complete_ancestors();
        self.complete_command();
        if EventTypes::OPEN.contains(self.syscall) {
            self.complete_open();
        } else if EventTypes::DUP.contains(self.syscall) {
            self.complete_copy();
        } else if EventTypes::SOCKET.contains(self.syscall) {
            self.complete_socket();
        }
        self.default("evt.rawres", "0");
        self.complete_result();
    }

    fn complete_ancestors(&mut self) {
        for (ancestor, parent) in [
            ("proc.aname", "proc.pname"),
            ("proc.aexe", "proc.pexe"),
            ("proc.aexepath", "proc.pexepath"),
            ("proc.acmdline", "proc.pcmdline"),
        ] {
            if let Some(first) = self.text(&format!("{ancestor}[1]")) {
                self.default(parent, &first);
            } else if let Some(first) = self.text(parent) {
                self.default(ancestor, &first);
                self.default(&format!("{ancestor}[1]"), &first);
            }
        }
    }

    fn complete_command(&mut self) {
        let Some(name) = self.text("proc.name") else {
            return;
        };
        self.default("proc.args", "");
        let args = self.text("proc.args").unwrap_or_default();
        for (index, word) in (0..).zip(args.split_ascii_whitespace()) {
            let info = field("proc.args").expect("the catalogue has the field");
            self.values
                .entry((info.id, Some(FieldArg::Index(index))))
                .or_insert_with(|| vec![OwnedScalar::Text(word.as_bytes().into())]);
        }
        let cmdline = if args.is_empty() {
            name.clone()
        } else {
            format!("{name} {args}")
        };
        self.default("proc.cmdline", &cmdline);
        self.default("proc.exe", &name);
    }

    fn complete_open(&mut self) {
        self.default("evt.rawres", "3");
        self.default("evt.arg.flags", "O_RDONLY");
        let flags = self.text("evt.arg.flags").unwrap_or_default();
        let has = |names: &[&str]| names.iter().any(|name| flags.contains(name)).to_string();
        self.default("evt.is_open_read", &has(&["O_RDONLY", "O_RDWR"]));
        self.default("evt.is_open_write", &has(&["O_WRONLY", "O_RDWR"]));
        self.default("evt.is_open_create", &has(&["O_F_CREATED"]));
        self.default("evt.is_open_exec", "false");
        self.default("fd.type", "file");
        self.default("fd.typechar", "f");
        let descriptor = self.number("evt.rawres").unwrap_or(-1).max(-1);
        self.default("fd.num", &descriptor.to_string());
        if let Some(path) = self.text("fd.name") {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
            self.default(
                "fd.directory",
                if directory.is_empty() { "/" } else { directory },
            );
            self.default("fd.filename", name);
        }
    }

    /// A copy of a descriptor has the number that the call returned.
    fn complete_copy(&mut self) {
        self.default("evt.rawres", "3");
        let copy = self.number("evt.rawres").unwrap_or(-1).max(-1);
        self.default("fd.num", &copy.to_string());
        self.complete_socket();
    }

    /// `fd.sip` and `fd.sport` are the other end of a call that goes out, the own end of one that
    /// comes in.
    fn complete_socket(&mut self) {
        let server = matches!(
            self.syscall,
            Syscall::Accept | Syscall::Accept4 | Syscall::Bind | Syscall::Listen
        );
        let (local, remote) = if server { ("s", "c") } else { ("c", "s") };
        for (end, role) in [("l", local), ("r", remote)] {
            for (suffix, others) in [("ip", ["net", "ip"]), ("port", ["port", "port"])] {
                let Some(value) = self.text(&format!("fd.{role}{suffix}")) else {
                    continue;
                };
                for other in others {
                    self.default(&format!("fd.{role}{other}"), &value);
                    self.default(&format!("fd.{end}{other}"), &value);
                    self.add(&format!("fd.{other}"), &value);
                }
            }
        }
        if let Some(address) = self.text("fd.sip").or_else(|| self.text("fd.cip")) {
            let (kind, character) = if address.contains(':') {
                ("ipv6", "6")
            } else {
                ("ipv4", "4")
            };
            self.default("fd.type", kind);
            self.default("fd.typechar", character);
            self.default("fd.l4proto", "tcp");
            self.default("fd.sockfamily", "ip");
        }
        self.default("fd.num", "3");
        self.default("fd.is_server", &server.to_string());
    }

    fn complete_result(&mut self) {
        let Some(result) = self.number("evt.rawres") else {
            return;
        };
        self.default("evt.failed", &(result < 0).to_string());
        let name = result.checked_neg().and_then(names::errno);
        self.default("evt.res", name.filter(|_| result < 0).unwrap_or("SUCCESS"));
    }

    /// Sets a field that was not given. The names are those of the catalogue.
    fn default(&mut self, name: &str, value: &str) {
        let (info, argument) = known(name);
        if let Some(value) = scalar(info, value) {
            self.values
                .entry((info.id, argument))
                .or_insert_with(|| vec![value]);
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        let (info, argument) = known(name);
        if let Some(value) = scalar(info, value) {
            let values = self.values.entry((info.id, argument)).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let (info, argument) = known(name);
        let value = self.values.get(&(info.id, argument))?.first()?;
        let mut text = String::new();
        super::super::value::show(value.borrow(), &mut text);
        Some(text)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

fn no_field(name: &str) -> String {
    format!("'{name}' is no field that can be read; 'gravlens rules fields' lists them")
}

/// A field of the catalogue, by a name that is written in this file.
fn known(name: &str) -> (&'static FieldInfo, Option<FieldArg>) {
    let (name, argument) = match name.strip_suffix("[1]") {
        Some(name) => (name, Some(FieldArg::Index(1))),
        None => (name, None),
    };
    (field(name).expect("the catalogue has the field"), argument)
}

fn scalar(info: &FieldInfo, text: &str) -> Option<OwnedScalar> {
    match info.kind {
        Kind::Text => Some(OwnedScalar::Text(text.as_bytes().into())),
        Kind::Number => parse_number(text).map(OwnedScalar::Number),
        Kind::Bool => text.parse().ok().map(OwnedScalar::Bool),
        Kind::Address => text.parse().ok().map(OwnedScalar::Address),
    }
}
