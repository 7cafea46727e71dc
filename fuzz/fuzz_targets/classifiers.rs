#![no_main]
estampa_fuzz::target!("classifiers");
