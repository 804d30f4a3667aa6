//! Sound that is a recording of its own for each seed.

/// Fifteen seconds at 8 kHz of two tones that change every tenth of a second.
pub fn tones(seed: u32) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let (mut tones, mut phase) = ([500.0f32; 2], [0.0f32; 2]);
    let samples = (0..15 * 8000).map(|n| {
        if n % 800 == 0 {
            for tone in &mut tones {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *tone = 400.0 + ((state >> 12) % 2800) as f32;
            }
        }
        let mut level = 0.0;
        for (phase, tone) in phase.iter_mut().zip(tones) {
            *phase += tone * std::f32::consts::TAU / 8000.0;
            level += phase.sin();
        }
        (level * 4000.0) as i16
    });
    samples.collect()
}
