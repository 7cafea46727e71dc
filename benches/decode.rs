//! Times decoding every alert of an Avro container, three stamps each; prints the same JSON line as the Python reference.
//!
//!     RAYON_NUM_THREADS=2 cargo bench --bench decode -- ALERTS.avro [TIMES] [history]
//!
//! With `history` the light curves of the packets are read, too.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use estampa::ztf::archive::Archive;
use estampa::ztf::feed::Source;
use estampa::ztf::quality::Policies;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next() else { return println!("SKIPPED: name an Avro container of alerts") };
    let times = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1);
    let with_history = arguments.next().is_some_and(|word| word == "history");
    for _ in 0..times {
        let start = Instant::now();
        let sources = vec![Source { label: String::new(), path: path.clone().into() }];
        let (mut alerts, mut stamps) = (0_u64, 0);
        let archive = Archive::open(sources, Policies::default());
        let archive = if with_history { archive.with_history() } else { archive };
        for alert in archive.filter_map(|reading| reading.alert) {
            alerts += 1;
            stamps += alert.stamps.iter().filter(|stamp| !stamp.pixels.is_empty()).count();
        }
        let seconds = start.elapsed().as_secs_f64();
        let rate = alerts as f64 / seconds;
        let facts = format!(r#""alerts": {alerts}, "stamps": {stamps}, "seconds": {seconds:.3}"#);
        println!(r#"{{"engine": "estampa", {facts}, "alerts_per_s": {rate:.1}}}"#);
    }
}
