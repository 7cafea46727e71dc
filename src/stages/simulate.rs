//! The stage kind `simulate`: ZTF-like alerts without any download.
//! Knows the simulator's recipe and the alerts artifact; draws nothing itself.

use std::path::Path;

use rayon::prelude::*;

use crate::artifacts::alerts::AlertsWriter;
use crate::artifacts::light_curves::LightCurvesWriter;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};
use crate::ztf::history::Point;
use crate::ztf::simulator::{Recipe, SimulatedAlert, simulate_object};
use crate::ztf::writer::{PacketSink, PacketWriter, WriteError};
use crate::{choice, keys};

/// Objects that are in memory at once: about twenty alerts of 95 kB (noisy and clean) for each thread.
const CHUNK: usize = 64;

choice! {
    /// Whether the alerts are also written as the survey sends them.
    pub enum Packets {
        /// Not at all.
        None = "none",
        /// One file each in the artifact's folder `packets`.
        Folder = "folder",
        /// One file, the artifact's `packets.tar.gz`.
        Tarball = "tar.gz",
    }
}

keys! {
    /// Keys of `simulate`.
    pub struct SimulateKeys {
        /// Objects to simulate; each gives one alert or several.
        objects: usize = 2000, range(1, 100_000_000);
        /// Relative share of AGN; shares need not sum to one.
        agn: f64 = 1.0, at_least(0);
        /// Relative share of supernovae.
        sn: f64 = 1.0, at_least(0);
        /// Relative share of variable stars.
        vs: f64 = 1.0, at_least(0);
        /// Relative share of asteroids, which have one alert each.
        asteroid: f64 = 1.0, at_least(0);
        /// Relative share of bogus alerts: artefacts and bad subtractions.
        bogus: f64 = 1.0, at_least(0);
        /// Fewest alerts of an object that can repeat.
        min_detections: usize = 1, range(1, 100);
        /// Most alerts of an object.
        max_detections: usize = 1, range(1, 100);
        /// Shortest time between two alerts of an object.
        min_gap: f64 = 0.02, range(0, 60), unit("days");
        /// Share of objects put on purpose so near a chip edge that it cuts their stamps.
        edge_fraction: f64 = 0.0, range(0, 1);
        /// Also write the stamps without noise, `clean.npy`.
        clean: bool = true;
        /// Also write real ZTF packets (Avro 4.02): into the artifact's folder `packets` or its `packets.tar.gz`.
        packets: Packets = Packets::None;
        /// Also write `light_curves.csv`, as `load` does: what the packets tell of the thirty days before each alert (detections, upper limits, forced photometry), and the alerts themselves.
        light_curves: bool = false, added_later();
    }
}

impl SimulateKeys {
    /// The place for packets, if any.
    fn packets(&self, out: &Path) -> Result<Option<PacketSink>, WriteError> {
        match self.packets {
            Packets::None => Ok(None),
            Packets::Folder => PacketSink::create(&out.join("packets")).map(Some),
            Packets::Tarball => PacketSink::create(&out.join("packets.tar.gz")).map(Some),
        }
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            shares: [self.agn, self.sn, self.vs, self.asteroid, self.bogus],
            min_detections: self.min_detections,
            max_detections: self.max_detections,
            min_gap_days: self.min_gap,
            edge_fraction: self.edge_fraction,
        }
    }
}

/// See the file's head.
pub struct Simulate;

impl StageKind for Simulate {
    fn name(&self) -> &'static str {
        "simulate"
    }

    fn summary(&self) -> &'static str {
        "Simulates ZTF-like alerts of AGN, SN, VS, asteroid and bogus: light curves, stamps, metadata."
    }

    fn source(&self) -> &'static str {
        "camera and host model after Carrasco-Davis et al. 2019, PASP 131, 108006"
    }

    fn version(&self) -> u32 {
        2
    }

    fn ports(&self) -> &'static [Port] {
        &[]
    }

    fn output(&self) -> ArtifactType {
        ArtifactType::Alerts
    }

    fn keys(&self) -> Vec<Key> {
        SimulateKeys::keys()
    }

    fn randomness(&self, _: &Params) -> Randomness {
        Randomness::Shared
    }

    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        let Some(keys) = SimulateKeys::read(params) else { return Vec::new() };
        let recipe = keys.recipe();
        let key = if recipe.min_detections > recipe.max_detections { "max_detections" } else { "agn" };
        recipe.check().err().map(|error| (key, error.to_string())).into_iter().collect()
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: SimulateKeys = job.keys()?;
        let recipe = keys.recipe();
        recipe.check().map_err(failed)?;
        let mut writer = AlertsWriter::create(job.out, keys.clean)?;
        let mut packets = keys.packets(job.out).map_err(failed)?;
        let mut light_curves = keys.light_curves.then(|| LightCurvesWriter::create(job.out));
        let packet_writer = PacketWriter::default();
        for start in (0..keys.objects).step_by(CHUNK) {
            let end = (start + CHUNK).min(keys.objects);
            let object = |index| {
                let object = simulate_object(&recipe, job.seed, index);
                let alerts = object.detections.iter().filter(|_| packets.is_some());
                // compressing takes longer than simulating: not in the loop that writes
                let packet = |found: &SimulatedAlert| packet_writer.packet_with(&found.alert, &found.past);
                let packets: Vec<Vec<u8>> = alerts.map(packet).collect();
                (object, packets)
            };
            let objects: Vec<_> = (start..end).into_par_iter().map(object).collect();
            for (object, written) in &objects {
                let label = object.class.name();
                for found in &object.detections {
                    writer.push(&found.alert, label, "", keys.clean.then_some(&found.clean))?;
                    if let Some(light_curves) = &mut light_curves {
                        let points = found.past.iter().cloned().chain(Point::of_alert(&found.alert));
                        light_curves.push(&found.alert.object_id, found.alert.value("jd"), points)?;
                    }
                }
                for (found, packet) in object.detections.iter().zip(written) {
                    if let Some(sink) = &mut packets {
                        sink.append(found.alert.candid, packet).map_err(failed)?;
                    }
                }
            }
            job.progress(end as u64, keys.objects as u64, &format!("{} alerts", writer.len()))?;
        }
        packets.map_or(Ok(()), PacketSink::finish).map_err(failed)?;
        light_curves.map_or(Ok(()), LightCurvesWriter::finish)?;
        writer.finish()?;
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::artifacts::alerts::Alerts;
    use crate::spec::value::Value;
    use crate::stage::{Device, Pulse, Silent};
    use crate::ztf::alert::Alert;
    use crate::ztf::archive::Archive;
    use crate::ztf::feed::Source;
    use crate::ztf::quality::Policies;
    use crate::ztf::simulator::Class;

    fn params(changes: &[(&'static str, Value)]) -> Params {
        let mut params: Params =
            SimulateKeys::keys().into_iter().filter_map(|k| k.default.map(|v| (k.name, v))).collect();
        params.extend(changes.iter().map(|(k, v)| (*k, v.clone())));
        params
    }

    fn run(params: &Params, out: &Path, pulse: &dyn Pulse) -> Result<(), StageError> {
        let job = Job {
            params,
            seed: 3,
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
            home: out,
            out,
            checkpoint: out,
            device: Device::Cpu,
            gpus: &[],
            threads: 2,
            pulse,
            shelf: &Silent,
        };
        Simulate.run(&job)
    }

    #[test]
    fn writes_all_classes_and_the_same_bytes_twice() {
        let params = params(&[("objects", Value::Int(150)), ("max_detections", Value::Int(3))]);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in &folders {
            run(&params, folder.path(), &Silent).unwrap();
        }
        for file in ["alerts.csv", "stamps.npy", "clean.npy"] {
            let [a, b] = [0, 1].map(|i| std::fs::read(folders[i].path().join(file)).unwrap());
            assert!(a == b, "{file} differs");
        }
        let alerts = Alerts::open(folders[0].path()).unwrap();
        assert!(alerts.len() >= 150 && alerts.clean.is_some());
        let texts = alerts.table.texts("label");
        let labels: BTreeSet<&str> = texts.iter().map(AsRef::as_ref).collect();
        assert_eq!(labels, Class::ALL.map(Class::name).into_iter().collect());
    }

    /// The alerts of a folder or tarball of packets, by number.
    fn read_back(path: &Path) -> BTreeMap<i64, Alert> {
        let files = if path.is_dir() {
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![path.to_path_buf()]
        };
        let sources = files.into_iter().map(|path| Source { label: path.display().to_string(), path }).collect();
        let readings = Archive::open(sources, Policies::default());
        readings.filter_map(|reading| reading.alert).map(|alert| (alert.candid, alert)).collect()
    }

    #[test]
    fn packets_load_back_equal() {
        for (word, name) in [("folder", "packets"), ("tar.gz", "packets.tar.gz")] {
            let changes = [("objects", Value::Int(25)), ("edge_fraction", Value::Float(0.2))];
            let mut params = params(&changes);
            params.insert("packets", Value::Text(word.into()));
            let folder = tempfile::tempdir().unwrap();
            run(&params, folder.path(), &Silent).unwrap();
            let read = read_back(&folder.path().join(name));
            assert_eq!(read.len(), 25, "{word}");
            let recipe = SimulateKeys::read(&params).unwrap().recipe();
            let written: BTreeMap<i64, Alert> = (0..25)
                .flat_map(|index| simulate_object(&recipe, 3, index).detections)
                .map(|found| (found.alert.candid, found.alert))
                .collect();
            // Debug text, because missing pixels are NaN
            assert!(format!("{read:?}") == format!("{written:?}"), "{word}");
        }
    }

    /// What packets tell of the past is what the artifact's own light curves hold, each point once.
    #[test]
    fn light_curves_are_those_of_the_packets() {
        let changes = [("objects", Value::Int(20)), ("max_detections", Value::Int(3))];
        let mut params = params(&changes);
        params.insert("packets", Value::Text("folder".into()));
        params.insert("light_curves", Value::Bool(true));
        let folder = tempfile::tempdir().unwrap();
        run(&params, folder.path(), &Silent).unwrap();
        let again = folder.path().join("again");
        let mut writer = LightCurvesWriter::create(&again);
        std::fs::create_dir(&again).unwrap();
        let files = std::fs::read_dir(folder.path().join("packets")).unwrap().map(|entry| entry.unwrap().path());
        let sources = files.map(|path| Source { label: path.display().to_string(), path }).collect();
        for reading in Archive::open(sources, Policies::default()).with_history() {
            let alert = reading.alert.unwrap();
            let points = Point::of_alert(&alert).into_iter().chain(reading.history);
            writer.push(&alert.object_id, alert.value("jd"), points).unwrap();
        }
        writer.finish().unwrap();
        let [own, read] =
            [folder.path(), &again].map(|folder| std::fs::read_to_string(folder.join("light_curves.csv")));
        let own = own.unwrap();
        assert!(own.lines().count() > 200 && own == read.unwrap());
        for kind in ["detection", "limit", "forced"] {
            assert!(own.contains(kind), "no {kind}");
        }
    }

    /// Interrupts at once.
    struct Stop;

    impl Pulse for Stop {
        fn progress(&self, _: u64, _: u64, _: &str) {}
        fn told(&self, _: &str) {}
        fn cancelled(&self) -> bool {
            true
        }
    }

    #[test]
    fn impossible_recipes_are_faults_and_interruption_stops() {
        assert_eq!(Simulate.check(&params(&[])), []);
        assert_eq!(Simulate.check(&params(&[("min_detections", Value::Int(4))]))[0].0, "max_detections");
        let none = ["agn", "sn", "vs", "asteroid", "bogus"].map(|name| (name, Value::Float(0.0)));
        assert_eq!(Simulate.check(&params(&none))[0].0, "agn");
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(run(&params(&[]), folder.path(), &Stop), Err(StageError::Interrupted)));
    }
}
