//! The English prompts in the binary (`prompts/en`, made by `prompts/make`).

/// Declares names, purposes and files together.
macro_rules! prompts {
    ($($name:literal $purpose:literal)*) => {
        /// Every prompt that we say by ourselves, and what it is for. A policy may name others.
        pub const NAMES: &[(&str, &str)] = &[$(($name, $purpose)),*];

        /// Name and WAV file of each.
        pub(super) fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
            let files: &'static [(&str, &[u8])] = &[
                $(($name, include_bytes!(concat!("../../prompts/en/", $name, ".wav")))),*
            ];
            files.iter().copied()
        }
    };
}

prompts! {
    "screen" "Asks the caller for name and reason."
    "screen-again" "The same for a caller who said nothing."
    "wait" "Asks the caller to hold the line, once he has been heard."
    "hold" "Music for a caller who waits; begun again when it is over."
    "ringing" "The ringing tone for a caller who waits while the person answering is told something; begun again."
    "nobody" "Says that nobody can take the call, to a caller whom we have answered."
    "refused" "Says that the call is not accepted."
    "challenge" "Asks the caller to press two digits, which follow."
    "challenge-again" "The same after a wrong answer, or none."
    "challenge-passed" "Thanks the caller who pressed them."
    "challenge-failed" "Tells the caller that he did not."
    "digit-0" "The digit 0."
    "digit-1" "The digit 1."
    "digit-2" "The digit 2."
    "digit-3" "The digit 3."
    "digit-4" "The digit 4."
    "digit-5" "The digit 5."
    "digit-6" "The digit 6."
    "digit-7" "The digit 7."
    "digit-8" "The digit 8."
    "digit-9" "The digit 9."
    "queue-position" "Tells a caller who waits where he stands: the number follows."
    "queue-line" "Follows the number."
    "queue-estimate" "Tells a caller who waits how long it took others lately: the minutes follow."
    "minute" "Follows one minute."
    "minutes" "Follows several."
    "out-of-hours" "Says that nobody works at this hour."
    "whisper-genuine" "Tells the person who answers that the number is proven."
    "whisper-known" "Tells the person who answers that the caller is known."
    "whisper-unproven" "Tells the person who answers that nothing proves the number."
    "whisper-suspect" "Tells the person who answers that the call is suspicious."
    "whisper-forged" "Tells the person who answers that the number shown is false."
    "whisper-synthetic" "Tells the person who answers that the voice may be synthetic."
    "whisper-campaign" "Tells the person who answers that it is a known scam."
    "whisper-emergency" "Tells the person who answers that it is an emergency."
}

/// What the prompt of this name is for; `None` for one that we never say by ourselves.
pub fn purpose(name: &str) -> Option<&'static str> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, purpose)| *purpose)
}
