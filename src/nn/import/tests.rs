//! Files of weights that PyTorch 2.15 made, whole and damaged. `data/plain.pth` and `data/nested.pth` come from:
//!
//! ```python
//! import torch
//! from collections import OrderedDict
//! d = OrderedDict()
//! base = torch.arange(24, dtype=torch.float32) / 8 - 1
//! d["layer.weight"] = base[:12].reshape(3, 4)
//! d["layer.transposed"] = base[12:].reshape(3, 4).t()          # strides (1, 4)
//! d["layer.view"] = base[5:20:3]                                 # offset 5, stride 3
//! d["layer.bias"] = torch.nn.Parameter(torch.tensor([0.5, -2.25]))
//! d["half"] = torch.tensor([1.5, -65504.0, 6e-8]).half()
//! d["brain"] = torch.tensor([1.0, -3.140625, 1e30]).bfloat16()
//! d["double"] = torch.tensor([0.1, 1e-3], dtype=torch.float64)
//! d["scalar"] = torch.tensor(7.0)
//! d["empty"] = torch.zeros(0, 3)
//! d["norm.num_batches_tracked"] = torch.tensor(5)
//! d._metadata = OrderedDict(version=1)
//! torch.save(d, "plain.pth")
//! torch.save({"epoch": 3, "loss": 0.25, "state_dict": {"a": torch.ones(2)}, "tags": ["x", None, True]}, "nested.pth",
//!            pickle_protocol=4)
//! ```

use std::io::Write;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

const PLAIN: &[u8] = include_bytes!("data/plain.pth");
const NESTED: &[u8] = include_bytes!("data/nested.pth");

fn found<'a>(all: &'a [Found], name: &str) -> &'a Found {
    all.iter().find(|found| found.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn views_strides_and_types_are_respected() {
    let all = parse(PLAIN).unwrap();
    assert_eq!(all.len(), 10);
    let base: Vec<f32> = (0..24).map(|i| i as f32 / 8.0 - 1.0).collect();
    let picked = |places: &[usize]| places.iter().map(|at| base[*at]).collect::<Vec<_>>();
    let cases: [(&str, &[usize], &str, Vec<f32>); 9] = [
        ("layer.weight", &[3, 4], "f32", base[..12].to_vec()),
        ("layer.transposed", &[4, 3], "f32", picked(&[12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23])),
        ("layer.view", &[5], "f32", picked(&[5, 8, 11, 14, 17])),
        ("layer.bias", &[2], "f32", vec![0.5, -2.25]),
        ("half", &[3], "f16", vec![1.5, -65504.0, 5.960_464_5e-8]),
        ("brain", &[3], "bf16", vec![1.0, -3.140_625, 1.000_255_5e30]),
        ("double", &[2], "f64", vec![0.1, 1e-3]),
        ("scalar", &[], "f32", vec![7.0]),
        ("empty", &[0, 3], "f32", vec![]),
    ];
    for (name, shape, number, values) in cases {
        let found = found(&all, name);
        assert_eq!((found.shape.as_slice(), found.number), (shape, number), "{name}");
        let own = found.values.as_ref().unwrap();
        let close = own.iter().zip(&values).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs());
        assert!(own.len() == values.len() && close, "{name}: {own:?}");
    }
    let counter = found(&all, "norm.num_batches_tracked");
    assert_eq!((counter.number, counter.values.as_ref()), ("i64", None));
}

#[test]
fn a_dictionary_inside_another_is_found_in_protocol_4_too() {
    let all = parse(NESTED).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].name.as_str(), all[0].values.as_deref()), ("a", Some(&[1.0, 1.0][..])));
}

#[test]
fn safetensors_of_other_types_are_converted() {
    let bytes: Vec<u8> = [0x3c00_u16, 0xc000].iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F16, vec![2], &bytes).unwrap();
    let all = parse(&safetensors::serialize([("x", view)], None).unwrap()).unwrap();
    assert_eq!((all[0].number, all[0].values.as_deref()), ("f16", Some(&[1.0, -2.0][..])));
}

/// An archive like torch's with this pickle and one storage `0` of four f32.
fn archive(pickle: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", &[0; 16])] {
        writer.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn refused(pickle: &[u8]) -> String {
    parse(&archive(pickle, CompressionMethod::Stored)).unwrap_err()
}

/// A dictionary with one tensor of this offset, shape and strides, as instructions that push them.
fn tensor(offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
    let head = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n";
    [head, &storage[..], offset, shape, strides, b"\x89}tRs."].concat()
}

#[test]
fn nothing_is_executed() {
    for (pickle, name) in [
        (&b"cos\nsystem\n(X\x04\0\0\0truetR."[..], "os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93X\x01\0\0\x001\x85R.", "builtins.eval"),
        (b"ctorch\nload\n)R.", "torch.load"),
        (b"ctorch.nn.modules.linear\nLinear\n)\x81.", "torch.nn.modules.linear.Linear"),
    ] {
        assert!(refused(pickle).contains(&format!("`{name}`")), "{}", refused(pickle));
    }
}

#[test]
fn claims_beyond_the_file_are_named() {
    let whole = tensor(b"K\0", b"K\x02K\x02\x86", b"K\x02K\x01\x86");
    assert_eq!(parse(&archive(&whole, CompressionMethod::Stored)).unwrap()[0].values, Some(vec![0.0; 4]));
    for (pickle, words) in [
        (tensor(b"K\x01", b"K\x02K\x02\x86", b"K\x02K\x01\x86"), "reaches beyond its storage of 4"),
        (tensor(b"K\0", b"K\x02K\x02\x86", b"K\x03K\x01\x86"), "reaches beyond its storage of 4"),
        (tensor(b"K\0", b"J\xff\xff\xff\x7f\x85", b"K\0\x85"), "more values than the file has bytes"),
        (tensor(b"K\0", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x04\x86", b"K\0K\0\x86"), "more values"),
        (tensor(b"K\0", b"K\x02\x85", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85"), "reaches beyond"),
        (tensor(b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85"), "has -1 for an offset"),
        (tensor(b"K\0", b"K\x02\x85", b"K\x01K\x01\x86"), "1 sizes and 2 strides"),
        (tensor(b"K\0", &[&b"("[..], &b"K\x01".repeat(17), b"t"].concat(), b"K\x01\x85"), "17 dimensions"),
        ([&b"})"[..], &b"\x85".repeat(40), b"0."].concat(), "deep"),
        (b"N".repeat(100_002), "100000 values at a time"),
        (b"}X\xff\xff\xff\xffa.".to_vec(), "ends in the middle"),
        (b"}.".to_vec(), "no tensors"),
        (b"N.".to_vec(), "no dictionary"),
        (Vec::new(), "ends in the middle"),
    ] {
        let message = refused(&pickle);
        assert!(message.contains(words), "{message}, not {words}");
    }
    assert!(parse(b"PK\x03\x04 and no more").unwrap_err().contains("no whole zip"));
    assert!(parse(b"\x80\x02}.").unwrap_err().contains("bare pickle"));
    assert!(parse(b"").unwrap_err().contains("no whole safetensors"));
}

#[test]
fn claims_of_safetensors_are_named() {
    let file = |length: u64, header: &[u8]| [&length.to_le_bytes()[..], header].concat();
    let nested = [b"{\"a\":".repeat(5000), b"1".to_vec(), b"}".repeat(5000)].concat();
    let huge = br#"{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904],"data_offsets":[0,16]}}"#;
    for (length, header) in [
        (1 << 63, &b"{}"[..]),
        (u64::MAX, b"{}"),
        (1 << 40, b"{}"),
        (nested.len() as u64, &nested),
        (huge.len() as u64, huge),
    ] {
        assert!(parse(&file(length, header)).unwrap_err().contains("no whole safetensors"), "{length}");
    }
}

/// Two hundred thousand names of one dictionary of as many tensors would be forty thousand million names.
#[test]
fn names_of_one_dictionary_are_not_counted_by_its_tensors() {
    let name = |i: u32| [b"X\x04\0\0\0".to_vec(), format!("{i:04x}").into_bytes()].concat();
    let one = tensor(b"K\0", b"K\x02\x85", b"K\x01\x85");
    let one = &one[b"\x80\x02}X\x01\0\0\0w".len()..one.len() - 2];
    let inner: Vec<u8> = (0..2000).flat_map(|i| [&name(i)[..], b"h\x01s"].concat()).collect();
    let outer: Vec<u8> = (0..2000).flat_map(|i| [&name(i)[..], b"h\x02s"].concat()).collect();
    let pickle = [one, b"q\x010}q\x02", &inner, b"0}", &outer, b"."].concat();
    let message = refused(&pickle);
    assert!(message.contains("several dictionaries of tensors, `0000`, `0001`"), "{message}");
}

/// Reads it or names what is wrong, and takes no more memory than the file allows.
fn is_harmless(bytes: &[u8]) {
    if let Ok(all) = parse(bytes) {
        let values: usize = all.iter().filter_map(|found| Some(found.values.as_ref()?.len())).sum();
        assert!(values <= bytes.len());
        for found in all {
            assert!(found.values.is_none_or(|values| values.len() == found.shape.iter().product::<usize>()));
        }
    }
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    for bytes in [PLAIN, NESTED] {
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damage_does_no_harm(flips in prop::collection::vec((0..PLAIN.len(), any::<u8>()), 1..4)) {
        let mut bytes = PLAIN.to_vec();
        for (at, value) in flips {
            bytes[at] = value;
        }
        is_harmless(&bytes);
    }

    /// With the right check sum, as who means harm would write it.
    #[test]
    fn a_damaged_pickle_does_no_harm(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut pickle = tensor(b"K\0", b"K\x02K\x02\x86", b"K\x02K\x01\x86");
        for (at, value) in flips {
            let at = at.index(pickle.len());
            pickle[at] = value;
        }
        is_harmless(&archive(&pickle, CompressionMethod::Stored));
    }

    #[test]
    fn any_instructions_do_no_harm(pickle in prop::collection::vec(prop::sample::select(&b"()}]tRQqhNKsuaeb.0\x85\x86\x87\x94\x93\x01\x00"[..]), 0..80)) {
        is_harmless(&archive(&pickle, CompressionMethod::Stored));
    }
}
