//! AMSGrad (Reddi, Kale and Kumar 2018, algorithm 2; used by [4]) as in PyTorch: Adam with the largest square so far in the
//! denominator, both moments corrected for their start at zero.

use super::adam::Factors;
use super::{Rule, Step};

pub(super) struct AmsGrad;

impl Rule for AmsGrad {
    fn memory(&self) -> &'static [&'static str] {
        &["mean", "square", "largest"]
    }

    fn update(&self, step: &Step, values: &mut [f32], gradient: &[f32], memory: &mut [&mut [f32]]) {
        let [mean, square, largest] = memory else { unreachable!("as many as `memory` names") };
        let factors = Factors::new(step);
        let moments = mean.iter_mut().zip(square.iter_mut()).zip(largest.iter_mut());
        for ((value, g), ((mean, square), largest)) in values.iter_mut().zip(gradient).zip(moments) {
            factors.observe(mean, square, *g);
            *largest = largest.max(*square);
            *value -= factors.change(*mean, *largest);
        }
    }
}
