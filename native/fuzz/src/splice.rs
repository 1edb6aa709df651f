//! Mutations that keep to Python's grammar more often than not.

/// Scripts that pieces are taken from: the guard's own sets.
const DONORS: &[&str] = &[
    include_str!("../../guard/tests/evasions/builtins.txt"),
    include_str!("../../guard/tests/evasions/blender_later.txt"),
    include_str!("../../guard/tests/evasions/callers.txt"),
    include_str!("../../guard/tests/evasions/computed.txt"),
    include_str!("../../guard/tests/evasions/names.txt"),
    include_str!("../../guard/tests/evasions/source.txt"),
    include_str!("../../guard/tests/legitimate/addons.txt"),
    include_str!("../../guard/tests/legitimate/language.txt"),
    include_str!("../../guard/tests/legitimate/python.txt"),
];

/// Where an expression may end or begin.
const SEAMS: &[char] = &['(', ')', '[', ']', ',', '.', ' ', '=', ':', '\n'];

/// The script with a piece of another one in it: whole lines in place of a line, or a part of one in place of a part.
pub fn splice(source: &str, seed: u32) -> String {
    let mut dice = Dice(u64::from(seed) + 1);
    let donor = dice.one_of(DONORS);
    let (piece, hole) = if dice.below(2) == 0 {
        let lines: Vec<&str> = donor.split_inclusive('\n').collect();
        let from = dice.below(lines.len());
        let count = 1 + dice.below(4);
        (lines[from..].iter().take(count).copied().collect(), part(source, &['\n'], &mut dice))
    } else {
        let (start, end) = part(donor, SEAMS, &mut dice);
        (donor[start..end].to_owned(), part(source, SEAMS, &mut dice))
    };
    let (start, end) = hole;
    format!("{}{piece}{}", &source[..start], &source[end..])
}

/// A stretch from one of these signs to one of the next.
fn part(text: &str, seams: &[char], dice: &mut Dice) -> (usize, usize) {
    let middle = text.floor_char_boundary(dice.below(text.len() + 1));
    let start = text[..middle].rfind(seams).map_or(0, |at| at + 1);
    let ends: Vec<usize> = text[middle..].match_indices(seams).map(|(at, _)| middle + at).take(4).collect();
    let end = if ends.is_empty() { text.len() } else { *dice.one_of(&ends) };
    (start, end)
}

/// Numbers that follow from a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }
}
