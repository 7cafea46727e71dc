//! Weights on disk as safetensors (little-endian f32, PyTorch layout and names), written whole or not at all.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::backend::Backend;
use super::error::NnError;
use super::import;
use super::weights::Weights;

/// A named array on its way to or from a file.
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// The bytes of a safetensors file of these arrays and a note.
pub(crate) fn pack(arrays: &[Array], note: Option<String>) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> =
        arrays.iter().map(|array| array.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let mut views = Vec::with_capacity(arrays.len());
    for (array, bytes) in arrays.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, array.shape.clone(), bytes).map_err(|fault| fault.to_string())?;
        views.push((array.name.as_str(), view));
    }
    let note = note.map(|note| HashMap::from([("state".to_owned(), note)]));
    safetensors::serialize(views, note).map_err(|fault| fault.to_string())
}

/// All arrays of such a file and its note; other numbers than f32 are refused, since nothing here writes them.
pub(crate) fn unpack(bytes: &[u8]) -> Result<(Vec<Array>, Option<String>), String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|fault| fault.to_string())?;
    let note = metadata.metadata().as_ref().and_then(|notes| notes.get("state").cloned());
    let tensors = SafeTensors::deserialize(bytes).map_err(|fault| fault.to_string())?;
    let mut arrays = Vec::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(format!("`{name}` holds {:?}, not f32", view.dtype()));
        }
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let values = view.data().chunks_exact(4).map(value).collect();
        arrays.push(Array { name, shape: view.shape().to_vec(), values });
    }
    Ok((arrays, note))
}

/// Writes a file under another name, syncs it and renames it.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("partial");
    let mut file = fs::File::create(&aside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(aside, path)
}

/// The values of a network as arrays under `prefix`.
pub(crate) fn arrays<B: Backend>(weights: &Weights<B>, prefix: &str) -> Vec<Array> {
    let array = |entry: &super::weights::Entry<B>| Array {
        name: format!("{prefix}{}", entry.name),
        shape: entry.shape.clone(),
        values: entry.values(),
    };
    weights.entries.iter().map(array).collect()
}

/// Fills a network from arrays under `prefix`; every name must be there with its shape.
pub(crate) fn fill<B: Backend>(
    weights: &mut Weights<B>,
    arrays: &[Array],
    prefix: &str,
    path: &Path,
) -> Result<(), NnError> {
    for entry in &mut weights.entries {
        let name = format!("{prefix}{}", entry.name);
        let array = arrays.iter().find(|array| array.name == name);
        let array = array.ok_or_else(|| NnError::file(path, format!("no array `{name}`")))?;
        if array.shape != entry.shape {
            let what = format!("`{name}` has shape {:?}, the network wants {:?}", array.shape, entry.shape);
            return Err(NnError::file(path, what));
        }
        entry.set(array.values.clone()).map_err(NnError::device)?;
    }
    Ok(())
}

/// Writes the weights alone.
pub(crate) fn save_weights<B: Backend>(weights: &Weights<B>, path: &Path) -> Result<(), NnError> {
    let content = pack(&arrays(weights, ""), None).map_err(|fault| NnError::file(path, fault))?;
    write_whole(path, &content).map_err(|fault| NnError::file(path, fault))
}

/// Reads the weights alone; arrays that the network does not have (PyTorch's counters) are passed over.
pub(crate) fn load_weights<B: Backend>(weights: &mut Weights<B>, path: &Path) -> Result<(), NnError> {
    weights.take(import::read(path)?, &[], path)
}
