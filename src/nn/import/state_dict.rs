//! A zip archive of `torch.save(model.state_dict(), path)`: `NAME/data.pkl` says which tensor lies where in the storages
//! `NAME/data/0` and so on. Knows no network.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::rc::Rc;

use zip::CompressionMethod;
use zip::ZipArchive;

use super::Found;
use super::pickle::{self, Pickle, Tensor, Value};

/// Bytes of the largest pickle: some twenty thousand arrays.
const MOST_PICKLE: u64 = 4 << 20;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// All arrays of the archive.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|fault| format!("this is no whole zip archive: {fault}"))?;
    let pickle = archive.file_names().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let pickle = pickle.ok_or("this zip archive has no data.pkl: PyTorch did not save it")?.to_owned();
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    let order = format!("{root}byteorder");
    if archive.index_for_name(&order).is_some() && member(&mut archive, &order, 16)? != b"little" {
        return Err("its numbers are not little-endian".into());
    }
    let pickle = pickle::read(&member(&mut archive, &pickle, MOST_PICKLE)?)?;
    let mut storages = Storages { archive, root, left: bytes.len() as u64, loaded: HashMap::new() };
    let mut left = bytes.len();
    named(&pickle)?.into_iter().map(|(name, tensor)| found(name, &tensor, &mut storages, &mut left)).collect()
}

/// The bytes of a member, at most `most`. torch compresses none, so that none can grow beyond the archive.
fn member(archive: &mut Archive, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|fault| format!("`{name}` in the archive: {fault}"))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(format!("`{name}` in the archive is compressed, which PyTorch does not do"));
    }
    let size = file.size();
    if size > most {
        return Err(format!("`{name}` in the archive claims {size} bytes, more than {most}"));
    }
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes).map_err(|fault| format!("`{name}` in the archive: {fault}"))?;
    if bytes.len() as u64 != size {
        return Err(format!("`{name}` in the archive has {} bytes where it claims {size}", bytes.len()));
    }
    Ok(bytes)
}

/// Storages that were read.
struct Storages<'a> {
    archive: Archive<'a>,
    root: String,
    /// Bytes that may still be read: as many as the archive has, in which no two storages overlap.
    left: u64,
    loaded: HashMap<String, Vec<u8>>,
}

impl Storages<'_> {
    fn bytes(&mut self, storage: &str) -> Result<&[u8], String> {
        if !self.loaded.contains_key(storage) {
            let bytes = member(&mut self.archive, &format!("{}data/{storage}", self.root), self.left)?;
            self.left -= bytes.len() as u64;
            self.loaded.insert(storage.to_owned(), bytes);
        }
        Ok(&self.loaded[storage])
    }
}

/// The tensors of a dictionary by name; if it has none, those of the one dictionary in it that has some, as in
/// `{"epoch": 3, "state_dict": ...}`.
fn named(pickle: &Pickle) -> Result<Vec<(String, Rc<Tensor>)>, String> {
    let Value::Dictionary(top) = pickle.top else {
        return Err("it holds no dictionary of tensors: save `model.state_dict()`".into());
    };
    let own = tensors(pickle, top);
    if !own.is_empty() {
        return Ok(own);
    }
    // looked at once each: many names may be those of one large dictionary
    let holds: Vec<bool> = pickle.dictionaries.iter().map(|held| held.values().any(is_tensor)).collect();
    let inner = pickle.dictionaries[top].iter().filter_map(|(name, value)| match value {
        Value::Dictionary(at) if holds[*at] => Some((name, *at)),
        _ => None,
    });
    let inner: Vec<_> = inner.collect();
    match inner[..] {
        [] => Err("it holds no tensors".into()),
        [(_, at)] => Ok(tensors(pickle, at)),
        _ => {
            let names: Vec<String> = inner.iter().take(10).map(|(name, _)| format!("`{name}`")).collect();
            Err(format!("it holds several dictionaries of tensors, {}: save the one that is meant", names.join(", ")))
        }
    }
}

fn is_tensor(value: &Value) -> bool {
    matches!(value, Value::Tensor(_))
}

fn tensors(pickle: &Pickle, at: usize) -> Vec<(String, Rc<Tensor>)> {
    let tensor = |(name, value): (&Rc<str>, &Value)| match value {
        Value::Tensor(tensor) => Some((name.to_string(), tensor.clone())),
        _ => None,
    };
    pickle.dictionaries[at].iter().filter_map(tensor).collect()
}

/// Reads one tensor. `left`: how many more values may be read, at first as many as the archive has bytes: enough for any
/// weights and many that share a storage, and an end to views that repeat one value for ever.
fn found(name: String, tensor: &Tensor, storages: &mut Storages, left: &mut usize) -> Result<Found, String> {
    let Tensor { number, storage, offset, shape, strides } = tensor;
    if shape.len() != strides.len() {
        return Err(format!("`{name}` has {} sizes and {} strides", shape.len(), strides.len()));
    }
    let count = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let count = count.filter(|count| *count <= *left).ok_or_else(|| {
        format!("`{name}` claims the shape {shape:?}: with what is before it more values than the file has bytes")
    })?;
    *left -= count;
    let found = |values| Found { name: name.clone(), shape: shape.clone(), number: number.word(), values };
    if !number.is_real() {
        return Ok(found(None));
    }
    let bytes = storages.bytes(storage)?;
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |sum, (size, stride)| sum.checked_add(size.saturating_sub(1).checked_mul(*stride)?));
    let elements = bytes.len() / number.width();
    if count > 0 && last.is_none_or(|last| last >= elements) {
        return Err(format!("`{name}` reaches beyond its storage of {elements} values"));
    }
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = offset + index.iter().zip(strides).map(|(index, stride)| index * stride).sum::<usize>();
        values.push(number.read(&bytes[at * number.width()..(at + 1) * number.width()]));
        for (index, size) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    Ok(found(Some(values)))
}
