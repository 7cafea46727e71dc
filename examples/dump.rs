//! Scratch (not committed).
use estampa::artifacts::alerts::AlertsWriter;
use estampa::ztf::simulator::*;
use rayon::prelude::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[2].parse().unwrap();
    let recipe = Recipe { max_detections: args[3].parse().unwrap(), ..Recipe::default() };
    let t = std::time::Instant::now();
    let objects: Vec<_> = (0..n).into_par_iter().map(|i| simulate_object(&recipe, 1, i)).collect();
    let s = t.elapsed().as_secs_f64();
    let alerts: usize = objects.iter().map(|o| o.detections.len()).sum();
    println!("{alerts} alerts {s} s {} /s", alerts as f64 / s);
    let folder = std::path::Path::new(&args[1]);
    std::fs::create_dir_all(folder).unwrap();
    let mut w = AlertsWriter::create(folder, true).unwrap();
    for o in &objects {
        for d in &o.detections {
            w.push(&d.alert, o.class.name(), "", Some(&d.clean)).unwrap();
        }
    }
    w.finish().unwrap();
}
