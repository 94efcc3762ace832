//! The table for people, the metrics for programs.

use integration_test::bench::Output;
use integration_test::bench::stats::Interval;
use integration_test::events::dropped;
use serde_json::json;

use crate::costs::{At, Costs, Load};
use crate::flow::Flow;
use crate::saturation::Kept;
use crate::throughput::Throughput;

/// Prints the results.
pub(crate) fn print(
    output: Output,
    costs: &Costs,
    flow: &Flow,
    kept: &Kept,
    throughput: &Throughput,
) {
    let ratios = [
        ("open_close_in_ratio", Load::OpenClose, At::In),
        ("open_close_out_ratio", Load::OpenClose, At::Out),
        // Attached is what the others pay for, in scope or not.
        ("null_ratio", Load::Null, At::Out),
        ("compat_open_close_in_ratio", Load::OpenClose, At::CompatIn),
        (
            "compat_open_close_out_ratio",
            Load::OpenClose,
            At::CompatOut,
        ),
        ("compat_null_ratio", Load::Null, At::CompatOut),
    ]
    .map(|(name, load, at)| (name, costs.ratio(load, at)));
    let aa = costs.ratio(Load::OpenClose, At::OffAgain);
    let lost = flow.attempted - flow.delivered.min(flow.attempted) + dropped(&kept.account);
    match output {
        Output::Text => {
            println!("{:<30}{:>8}  95% interval", "ratio of CPU time", "median");
            table(&ratios);
            table(&[("aa (off/off, open and close)", aa)]);
            flow_text(flow);
            saturation_text(kept);
            throughput_text(throughput);
            println!("lost                          {lost}");
        }
        Output::Json => {
            let mut metrics: serde_json::Map<_, _> = ratios
                .iter()
                .map(|(name, ratio)| ((*name).to_owned(), ratio.median.into()))
                .collect();
            let others = [
                ("aa_low", aa.low),
                ("aa_high", aa.high),
                ("record_bytes_mean", flow.record_bytes),
                ("wakes_per_1000", flow.wakes_per_1000),
                ("saturation_kept_all", kept.ratio),
                ("dns_throughput_kept", throughput.on / throughput.off),
                ("dns_cpu_per_byte_ratio", throughput.cost.median),
            ];
            metrics.extend(others.map(|(name, value)| (name.to_owned(), value.into())));
            metrics.insert("lost".to_owned(), lost.into());
            println!("{}", json!({ "metrics": metrics }));
        }
    }
}

fn table(rows: &[(&str, Interval)]) {
    for (name, interval) in rows {
        println!(
            "{name:<30}{:>8.3}  {:.3} to {:.3}",
            interval.median, interval.low, interval.high
        );
    }
}

fn flow_text(flow: &Flow) {
    println!();
    println!(
        "opens                         {} attempted, {} delivered, {:.0}/s",
        flow.attempted, flow.delivered, flow.events_per_second
    );
    println!(
        "record_bytes_mean             {:.1} on the ring, for a path of {} bytes",
        flow.record_bytes, flow.path_bytes
    );
    println!("wakes_per_1000                {:.2}", flow.wakes_per_1000);
    for (name, time, runs) in &flow.programs {
        let nanoseconds = time.as_nanos() as f64 / *runs as f64;
        println!("in the kernel                 {name}: {nanoseconds:.0} ns per run, {runs} runs");
    }
}

fn saturation_text(kept: &Kept) {
    let account = &kept.account;
    println!();
    println!("saturation_kept_all           {:.3}", kept.ratio);
    println!(
        "                              {} attempted = {} delivered + {} suppressed + {} cut + {} lost",
        kept.attempted,
        account.delivered,
        account.suppressed,
        account.rate_limited,
        dropped(account) - account.rate_limited
    );
}

fn throughput_text(throughput: &Throughput) {
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    println!();
    println!(
        "loopback, DNS probe off       {:.2} GiB/s",
        gib(throughput.off)
    );
    println!(
        "loopback, DNS probe on        {:.2} GiB/s",
        gib(throughput.on)
    );
    table(&[("CPU time per byte, on/off", throughput.cost)]);
    println!();
}
