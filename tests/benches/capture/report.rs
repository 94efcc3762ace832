//! The table for people, the metrics for programs.

use gravlens::proto::EventAccount;
use serde_json::json;

use crate::stats::{Interval, median_ratio};
use crate::{At, Flow, Kept, Load, Output, Times};

/// Prints the results.
pub(crate) fn print(output: Output, times: &Times, flow: &Flow, kept: &Kept) {
    let ratio = |load, over| {
        let of = |at| times.get(&(load, at)).map_or(&[][..], Vec::as_slice);
        median_ratio(of(over), of(At::Off))
    };
    let open_in = ratio(Load::OpenClose, At::In);
    let open_out = ratio(Load::OpenClose, At::Out);
    // Attached is what the others pay for, in scope or not.
    let bare = ratio(Load::Null, At::Out);
    let aa = ratio(Load::OpenClose, At::OffAgain);
    let lost = flow.attempted - flow.delivered.min(flow.attempted) + dropped(&kept.account);
    match output {
        Output::Text => {
            table(&[
                ("open_close_in_ratio", open_in),
                ("open_close_out_ratio", open_out),
                ("null_ratio", bare),
                ("aa (off/off, open and close)", aa),
            ]);
            flow_text(flow);
            saturation_text(kept);
            println!("lost                          {lost}");
        }
        Output::Json => println!(
            "{}",
            json!({"metrics": {
                "open_close_in_ratio": open_in.median,
                "open_close_out_ratio": open_out.median,
                "null_ratio": bare.median,
                "aa_low": aa.low,
                "aa_high": aa.high,
                "record_bytes_mean": flow.record_bytes,
                "wakes_per_1000": flow.wakes_per_1000,
                "saturation_kept_all": kept.ratio,
                "lost": lost,
            }})
        ),
    }
}

fn table(rows: &[(&str, Interval)]) {
    println!("{:<30}{:>8}  95% interval", "ratio of CPU time", "median");
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

/// A cut counts as lost.
fn dropped(account: &EventAccount) -> u64 {
    account.ring_full + account.rate_limited + account.scratch_busy + account.queue + account.decode
}
