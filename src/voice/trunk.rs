//! The always-on network as a stream: one shared plan for each length of pulse, one state for each call.
//!
//! A hop is 60, 62 or 64 frames (the frames of a second, made even), so there are three plans of one graph. What a
//! convolution remembers does not depend on the pulse, so a call's state passes from plan to plan; loading makes sure
//! of that. A thread has its own runners; a call lends its state to one of them for a hop.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{EvalContext, OpState};

use super::limits::{BINS, FRAME_SAMPLES, FRAME_STEP, HOP_SAMPLES, STREAM_BYTES_MAX};
use super::past;

/// Frames that may go through the trunk at the end of a hop.
const PULSES: [usize; 3] = [60, 62, 64];

/// Frames that have gone through the trunk when `hop` hops were heard: those complete by then, made even.
pub(crate) fn frames_after(hop: u64) -> u64 {
    match (hop * HOP_SAMPLES as u64).checked_sub(FRAME_SAMPLES as u64) {
        Some(rest) => (rest / FRAME_STEP as u64 + 1) & !1,
        None => 0,
    }
}

/// The shared, immutable half.
pub(crate) struct Trunk {
    plans: [Arc<TypedSimplePlan>; PULSES.len()],
    /// Channels of the output.
    pub(crate) hidden: usize,
}

/// One call's half: what the convolutions remember.
pub(crate) struct Stream(Vec<Option<Box<dyn OpState>>>);

/// One thread's half: a runner for each length of pulse.
pub(crate) struct Runners {
    runners: [Runner; PULSES.len()],
}

struct Runner {
    state: TypedSimpleState,
    input: Arc<Tensor>,
    pulse: usize,
}

impl Trunk {
    /// # Errors
    ///
    /// In words: not one input (1, 96, time) and one output (1, `hidden`, half the time), something that cannot be
    /// streamed without delay, or a memory larger than a call may have.
    pub(crate) fn load(onnx: &[u8], hidden: usize) -> TractResult<Trunk> {
        let mut plans = Vec::new();
        for pulse in PULSES {
            let mut graph = typed(onnx, pulse)?;
            let bytes = past::remember(&mut graph)?;
            if bytes > STREAM_BYTES_MAX {
                let text = format!("a call would remember {bytes} octets, at most {STREAM_BYTES_MAX} may be");
                return Err(TractError::msg(text));
            }
            plans.push(TypedSimplePlan::new(graph.into_optimized()?)?);
        }
        let plans: [Arc<TypedSimplePlan>; PULSES.len()] = plans
            .try_into()
            .map_err(|_| TractError::msg("a plan is missing"))?;
        let remembered = memories(&plans[0])?;
        for plan in &plans[1..] {
            if memories(plan)? != remembered {
                return Err(TractError::msg(
                    "what it remembers depends on the length of a pulse",
                ));
            }
        }
        let trunk = Trunk { plans, hidden };
        trunk.prove(onnx)?;
        Ok(trunk)
    }

    /// Pulse by pulse it must give what the graph gives at once: else something in it mixes frames in another way.
    fn prove(&self, onnx: &[u8]) -> TractResult<()> {
        const IN_A_ROW: [usize; 4] = [60, 64, 62, 62];
        let all = IN_A_ROW.iter().sum::<usize>();
        let value = |bin: usize, frame: usize| ((bin * 31 + frame * 17) % 23) as f32 / 5.0 - 2.2;
        let mut at_once = Tensor::zero::<f32>(&[1, BINS, all])?;
        for (place, x) in at_once.to_plain_array_view_mut::<f32>()?.iter_mut().enumerate() {
            *x = value(place / all, place % all);
        }
        let graph = typed(onnx, all)?.into_optimized()?.into_runnable()?;
        let expected = graph.run(tvec![at_once.into()])?;
        let expected = expected.first().and_then(slice).unwrap_or_default();
        if expected.len() != self.hidden * all / 2 || !expected.iter().all(|x| x.is_finite()) {
            let text = format!(
                "its output is not {} finite channels at half the rate",
                self.hidden
            );
            return Err(TractError::msg(text));
        }
        let (mut runners, mut stream, mut first) = (self.runners()?, self.stream()?, 0);
        for pulse in IN_A_ROW {
            let input = runners
                .input(pulse)
                .ok_or_else(|| TractError::msg("no room for its input"))?;
            for (place, x) in input.iter_mut().enumerate() {
                *x = value(place / pulse, first + place % pulse);
            }
            let out = runners.run(pulse, &mut stream)?;
            let out = slice(&out).unwrap_or_default();
            if !is_part(out, expected, self.hidden, first / 2) {
                return Err(TractError::msg(
                    "pulse by pulse it gives something else than at once",
                ));
            }
            first += pulse;
        }
        Ok(())
    }

    /// What a call remembers before its first frame: nothing.
    pub(crate) fn stream(&self) -> TractResult<Stream> {
        Ok(Stream(TypedSimpleState::new(&self.plans[0])?.op_states.clone()))
    }

    pub(crate) fn runners(&self) -> TractResult<Runners> {
        let mut runners = Vec::new();
        for (plan, pulse) in self.plans.iter().zip(PULSES) {
            runners.push(Runner {
                state: TypedSimpleState::new(plan)?,
                input: Arc::new(Tensor::zero::<f32>(&[1, BINS, pulse])?),
                pulse,
            });
        }
        let runners = runners
            .try_into()
            .map_err(|_| TractError::msg("a runner is missing"))?;
        Ok(Runners { runners })
    }
}

impl Runners {
    /// The input for a pulse of so many frames, bin by bin. `None` for a length there is no plan for.
    pub(crate) fn input(&mut self, pulse: usize) -> Option<&mut [f32]> {
        let runner = self.runners.iter_mut().find(|runner| runner.pulse == pulse)?;
        if Arc::get_mut(&mut runner.input).is_none() {
            // A run that failed half-way still holds it.
            runner.input = Arc::new(Tensor::zero::<f32>(&[1, BINS, pulse]).ok()?);
        }
        let view = Arc::get_mut(&mut runner.input)?.to_plain_array_view_mut::<f32>();
        view.ok()?.into_slice()
    }

    /// Sends what stands in [`Runners::input`] through the trunk, on behalf of `stream`.
    pub(crate) fn run(&mut self, pulse: usize, stream: &mut Stream) -> TractResult<TValue> {
        let runner = self
            .runners
            .iter_mut()
            .find(|runner| runner.pulse == pulse)
            .ok_or_else(|| TractError::msg("no plan for this pulse"))?;
        std::mem::swap(&mut runner.state.op_states, &mut stream.0);
        let out = runner
            .state
            .run(tvec![TValue::from_const(Arc::clone(&runner.input))]);
        std::mem::swap(&mut runner.state.op_states, &mut stream.0);
        let mut out = out?;
        out.pop().ok_or_else(|| TractError::msg("it has no output"))
    }
}

/// Whether `out`, the whole output of one pulse, is what `expected` has from the frame `first` on.
fn is_part(out: &[f32], expected: &[f32], hidden: usize, first: usize) -> bool {
    let (frames, all) = (out.len() / hidden, expected.len() / hidden);
    let is_alike = |(channel, frame): (usize, usize)| {
        let (x, at_once) = (
            out[channel * frames + frame],
            expected[channel * all + first + frame],
        );
        (x - at_once).abs() <= 1e-3 * at_once.abs().max(1.0)
    };
    let mut places = (0..hidden).flat_map(|channel| (0..frames).map(move |frame| (channel, frame)));
    frames > 0 && out.len() == hidden * frames && first + frames <= all && places.all(is_alike)
}

/// The numbers of an output, channel by channel.
pub(crate) fn slice(out: &TValue) -> Option<&[f32]> {
    out.try_as_plain_ram().ok()?.as_slice::<f32>().ok()
}

/// The graph for so many frames, its paddings still in place.
fn typed(onnx: &[u8], frames: usize) -> TractResult<TypedModel> {
    let graph = tract_onnx::onnx().model_for_read(&mut &*onnx)?;
    if graph.inputs.len() != 1 || graph.outputs.len() != 1 {
        return Err(TractError::msg(format!(
            "{} inputs and {} outputs, want 1 and 1",
            graph.inputs.len(),
            graph.outputs.len()
        )));
    }
    graph
        .with_input_fact(0, f32::fact([1, BINS, frames]).into())?
        .into_typed()
}

/// Every operator that remembers something, by its place and its parameters.
fn memories(plan: &Arc<TypedSimplePlan>) -> TractResult<Vec<(usize, String)>> {
    let mut found = Vec::new();
    for (place, node) in plan.model().nodes().iter().enumerate() {
        if node.op.state(&EvalContext::out_of_plan())?.is_some() {
            found.push((place, format!("{:?}", node.op)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::is_part;

    #[test]
    fn a_pulse_that_gives_nothing_or_something_else_is_no_part_of_what_is_expected() {
        // Two channels of three frames.
        let expected = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
        assert!(is_part(&[2.0, 3.0, 20.0, 30.0], &expected, 2, 1));
        for out in [
            &[][..],
            &[2.0, 3.0, 20.0],
            &[2.0, 3.0, 20.0, 30.5],
            &[2.0, f32::NAN, 20.0, 30.0],
            &[2.0, 3.0, 3.0, 20.0, 30.0, 30.0],
        ] {
            assert!(!is_part(out, &expected, 2, 1), "{out:?}");
        }
    }
}
