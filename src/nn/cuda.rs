//! The CUDA device: one for each thread that computes, its memory, and whether there is any. Compiled with the feature `cuda`
//! alone.

use cudarc::driver::{result, sys};

use super::backend::{Composed, Device};
use super::error::NnError;

/// dfdx's operations on the CUDA device 0.
pub type Cuda = Composed<dfdx::tensor::Cuda>;

impl Device for dfdx::tensor::Cuda {
    /// One for each thread: making one opens cuBLAS, and its kernels are compiled when they are first used. Not one for all
    /// threads, because dfdx moves the stream of a device's cuBLAS to and fro during a product.
    fn here() -> Self {
        thread_local!(static HERE: dfdx::tensor::Cuda = open());
        HERE.with(Clone::clone)
    }
}

fn open() -> dfdx::tensor::Cuda {
    let device = dfdx::tensor::Cuda::default();
    // one that cannot keep memory is slower, no more
    let _ = keep(u64::MAX);
    device
}

/// Has the driver keep up to so many bytes of memory that nothing uses: by itself it gives all of it back to the system
/// whenever a result is read, and the next training step asks for the same again.
#[expect(unsafe_code, reason = "cudarc has no safe call for it")]
fn keep(mut bytes: u64) -> Result<(), result::DriverError> {
    let device = result::device::get(0)?;
    let mut pool: sys::CUmemoryPool = std::ptr::null_mut();
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: both calls write or read one value of the type that the driver's manual names, alive during the call; the pool
    // is the device's own and is there as long as the driver is.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&raw mut pool, device).result()?;
        sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut bytes).cast()).result()
    }
}

/// That there is a device; dfdx itself would panic.
pub fn check() -> Result<(), NnError> {
    // `Debug` of its errors asks the driver for words and panics where the driver has none
    let word = |fault: result::DriverError| NnError::Device(format!("no CUDA device can be used ({:?})", fault.0));
    result::init().map_err(word)?;
    match result::device::get_count().map_err(word)? {
        0 => Err(NnError::Device("there is no CUDA device".into())),
        _ => Ok(()),
    }
}
