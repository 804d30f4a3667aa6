//! A causal padding that remembers: instead of zeros it puts the last frames of the pulse before in front of a pulse.
//!
//! With it in the place of every padding, a graph of convolutions gives pulse by pulse what it gives at once. (tract-pulse
//! does this for more kinds of graphs, and brings a transformer library into the build.)

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};

/// Puts `frames` remembered frames along `axis` in front: zeros at first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    axis: usize,
    frames: usize,
}

impl Op for Past {
    fn name(&self) -> StaticName {
        "Past".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Past {
    not_out_of_plan!();

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Remembered(None))))
    }
}

impl TypedOp for Past {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut fact = inputs[0].without_value();
        let longer = fact.shape[self.axis].clone() + self.frames.to_dim();
        fact.shape.set(self.axis, longer);
        Ok(tvec![fact])
    }

    as_op!();
}

/// The last frames of the pulse before; nothing before the first.
#[derive(Debug, Clone)]
struct Remembered(Option<Tensor>);

impl OpState for Remembered {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let op = op
            .downcast_ref::<Past>()
            .ok_or_else(|| format_err!("the state of another operator"))?;
        let input = args_1!(inputs);
        let (axis, frames, pulse) = (op.axis, op.frames, input.shape()[op.axis]);
        let mut shape: TVec<usize> = input.shape().into();
        let past = match &mut self.0 {
            Some(past) => past,
            none => {
                shape[axis] = frames;
                none.insert(Tensor::zero_dt(input.datum_type(), &shape)?)
            }
        };
        shape[axis] = frames + pulse;
        let mut longer = Tensor::zero_dt(input.datum_type(), &shape)?;
        longer.assign_slice(0..frames, past, 0..frames, axis)?;
        longer.assign_slice(frames..frames + pulse, &input, 0..pulse, axis)?;
        past.assign_slice(0..frames, &longer, pulse..pulse + frames, axis)?;
        Ok(tvec![longer.into_tvalue()])
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        self.0 = None;
        Ok(())
    }
}

/// Puts a [`Past`] in the place of every padding of the last axis. Gives how many octets they will remember together.
///
/// # Errors
///
/// A padding on the right, of other axes, or with something else than zeros.
pub(crate) fn remember(model: &mut TypedModel) -> TractResult<usize> {
    let mut bytes = 0;
    for node in model.nodes.iter_mut() {
        let Some(pad) = node.op.downcast_ref::<Pad>() else {
            continue;
        };
        let Some(((before, after), others)) = pad.pads.split_last() else {
            continue;
        };
        let is_zero = matches!(&pad.mode, PadMode::Constant(value) if value.is_all_zero()?);
        if !is_zero || others.iter().any(|pads| *pads != (0, 0)) {
            bail!("a padding that is not zeros along time");
        }
        if *after != 0 {
            bail!("it looks ahead: a padding on the right");
        }
        let axis = others.len();
        let fact = &node.outputs[0].fact;
        let mut octets = before.saturating_mul(fact.datum_type.size_of());
        for dimension in &fact.shape.dims()[..axis] {
            octets = octets.saturating_mul(dimension.to_usize()?);
        }
        bytes = octets.saturating_add(bytes);
        node.op = Box::new(Past {
            axis,
            frames: *before,
        });
    }
    Ok(bytes)
}
