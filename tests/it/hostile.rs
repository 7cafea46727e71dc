//! The readers of `fuzz/` without a fuzzer: every one is shown its seeds, whole, cut and with changed bytes. This also keeps that
//! crate, which no build of the project sees, in step with the project.

use std::path::Path;

#[path = "../../fuzz/src/readers/mod.rs"]
mod readers;

use readers::READERS;

/// Changes of each seed.
const CHANGES: usize = 60;

#[test]
fn every_reader_refuses_damaged_seeds_in_words() {
    for (name, reader) in READERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let seeds: Vec<Vec<u8>> =
            std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name}");
        for seed in seeds {
            reader(&seed);
            for change in 0..CHANGES {
                let mut changed = seed.clone();
                let at = change * 7919 % seed.len();
                match change % 3 {
                    0 => changed.truncate(at),
                    1 => changed[at] ^= 1 << (change % 8),
                    _ => changed[at] = [0x00, 0x7f, 0x80, 0xff][change % 4],
                }
                reader(&changed);
            }
        }
    }
}
