//! Numbers that are nobody's: kept free for films and books by whoever gives numbers out. A training call shows one of them.

/// Beginnings of whole ranges, with how many digits follow. A line of its own for each authority.
const RANGES: &[(&str, usize)] = &[
    // Ofcom, numbers for drama use (United Kingdom).
    ("+441632960", 3),
    ("+44113496", 4),
    ("+44114496", 4),
    ("+44115496", 4),
    ("+44116496", 4),
    ("+44117496", 4),
    ("+44118496", 4),
    ("+44121496", 4),
    ("+44131496", 4),
    ("+44141496", 4),
    ("+44151496", 4),
    ("+44161496", 4),
    ("+442079460", 3),
    ("+447700900", 3),
    ("+443069990", 3),
    // ACMA, numbers for fiction (Australia).
    ("+6125550", 4),
    ("+6127010", 4),
    ("+6135550", 4),
    ("+6137010", 4),
    ("+6175550", 4),
    ("+6177010", 4),
    ("+6185550", 4),
    ("+6187010", 4),
    // ARCEP, numbers for audiovisual works (France).
    ("+3319900", 4),
    ("+3326191", 4),
    ("+3335301", 4),
    ("+3346571", 4),
    ("+3353649", 4),
    ("+3363998", 4),
    // Bundesnetzagentur, "Drama Numbers" (Germany): Berlin, Frankfurt, Hamburg, Cologne, Munich.
    ("+493023125", 3),
    ("+496990009", 3),
    ("+494066969", 3),
    ("+492214710", 3),
    ("+498999998", 3),
];

/// For people: where to look for one.
pub const WHICH: &str = "one that is kept free for fiction: in North America any area code with 555-0100 to 555-0199, such as \
                         +12025550143, or a range of Ofcom, ACMA, ARCEP or the Bundesnetzagentur";

/// Whether a canonical number is nobody's. In the numbering plan of North America those are 555-0100 to 555-0199 of every
/// area code; of the others whole ranges.
pub fn is_fictional(number: &str) -> bool {
    if !number
        .strip_prefix('+')
        .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
    {
        return false;
    }
    if let Some(home) = number.strip_prefix("+1") {
        return home.len() == 10 && matches!(home.as_bytes()[0], b'2'..=b'9') && &home[3..8] == "55501";
    }
    let mut ranges = RANGES.iter();
    ranges.any(|(start, more)| number.strip_prefix(start).is_some_and(|rest| rest.len() == *more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_are_nobodys_are_taken() {
        for nobodys in [
            "+12025550100",
            "+19175550199",
            "+441632960123",
            "+442079460000",
            "+33199001234",
            "+493023125123",
            "+61255501234",
        ] {
            assert!(is_fictional(nobodys), "{nobodys}");
        }
        for somebodys in [
            "+12025550200",
            "+12025550099",
            "+1202555010",
            "+120255501000",
            "+10025550100",
            "+442079461000",
            "+44207946000",
            "12025550100",
            "+1202555010a",
            "+",
            "",
            "+493023125",
        ] {
            assert!(!is_fictional(somebodys), "{somebodys}");
        }
    }
}
