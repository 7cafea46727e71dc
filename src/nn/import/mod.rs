//! Weights that others made: safetensors, and state dicts that PyTorch saved as a zip archive (`.pth`, `.pt`). Nothing in
//! a file is executed, and what it claims is checked against what it holds before memory is taken. Knows no network.

mod number;
mod pickle;
mod state_dict;

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

use super::error::NnError;
use number::Number;

/// Bytes of the largest file that is read: 2 GiB, five hundred million values.
const MOST_BYTES: u64 = 2 << 30;

/// A named array of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// As the file has it.
    pub name: String,
    /// As the file has it.
    pub shape: Vec<usize>,
    /// Its type in the file, such as `f16` or `i64`.
    pub number: &'static str,
    /// The values in f32; `None`: they are whole numbers, of which networks hold none.
    pub values: Option<Vec<f32>>,
}

/// All arrays of the file at `path`, sorted by name.
pub fn read(path: &Path) -> Result<Vec<Found>, NnError> {
    let size = fs::metadata(path).map_err(|fault| NnError::file(path, fault))?.len();
    if size > MOST_BYTES {
        return Err(NnError::file(
            path,
            format!("{size} bytes are more than the {MOST_BYTES} that are read of weights"),
        ));
    }
    let bytes = fs::read(path).map_err(|fault| NnError::file(path, fault))?;
    let mut found = parse(&bytes).map_err(|what| NnError::file(path, what))?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn parse(bytes: &[u8]) -> Result<Vec<Found>, String> {
    if bytes.starts_with(b"PK\x03\x04") {
        return state_dict::parse(bytes);
    }
    if bytes.starts_with(&[0x80])
        && bytes.get(1).is_some_and(|protocol| *protocol < 6)
        && SafeTensors::read_metadata(bytes).is_err()
    {
        let what =
            "this is a bare pickle, as PyTorch saved before 1.6; save it again with a newer one, or as safetensors";
        return Err(what.into());
    }
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|fault| format!("this is no whole safetensors file, nor a zip archive of PyTorch: {fault}"))?;
    tensors.iter().map(|(name, view)| safetensor(name, &view)).collect()
}

fn safetensor(name: &str, view: &safetensors::tensor::TensorView) -> Result<Found, String> {
    use safetensors::Dtype;
    let number = match view.dtype() {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::BF16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        Dtype::I64 => Number::I64,
        Dtype::I32 => Number::I32,
        Dtype::I16 => Number::I16,
        Dtype::I8 => Number::I8,
        Dtype::U8 => Number::U8,
        Dtype::BOOL => Number::Bool,
        other => return Err(format!("`{name}` holds numbers of a type that is not read: {other:?}")),
    };
    let values = number.is_real().then(|| view.data().chunks_exact(number.width()).map(|v| number.read(v)).collect());
    Ok(Found { name: name.into(), shape: view.shape().to_vec(), number: number.word(), values })
}

#[cfg(test)]
mod tests;
