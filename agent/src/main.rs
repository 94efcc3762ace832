//! The `gravlens` command.

fn main() {
    gravlens::probe::ensure_tracefs().unwrap();
    let options = gravlens::probe::ProbeOptions {
        scope: "/gravlens-dev".into(),
        critical_bytes: 1 << 20,
        bulk_bytes: 1 << 22,
    };
    match gravlens::probe::examine(&options) {
        Ok(r) => {
            for t in &r.topics {
                println!("{} {:?} {:#?}", t.name, t.taken, t.refused);
            }
            println!("{:?} {:?}", r.trampolines, r.blind_spots);
            for o in r.offsets.absent() {
                println!("absent {:?}", o);
            }
        }
        Err(e) => println!("ERR {e}"),
    }
}
