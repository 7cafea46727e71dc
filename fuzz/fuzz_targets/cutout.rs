#![no_main]
estampa_fuzz::target!("cutout");
