//! Which connections are read while large frames come in: each may be far below its own limit, and all together too much
//! for the machine. Nothing is refused for it, as the bytes that wait are the sender's until they are read.

use crate::keys::ConnectionKey;

/// A part of a frame up to this size does not count, so that small requests go on whatever happens.
pub const SMALL_BYTES: usize = 64 * 1024;

/// The large frames that have begun to come in.
#[derive(Debug)]
pub struct Intake {
    most: usize,
    /// What each connection holds of one, in the order in which they began.
    line: Vec<(ConnectionKey, usize)>,
}

impl Intake {
    /// None has begun, and parts of up to `most` bytes may be held.
    pub fn new(most: usize) -> Intake {
        Intake { most, line: Vec::new() }
    }

    /// Whether a connection may be read now. Where the room is full only the frame that began first goes on, which makes
    /// room at its end; so there is always one that does.
    pub fn admits(&self, key: ConnectionKey) -> bool {
        let place = self.line.iter().position(|(other, _)| *other == key);
        let held = || self.line.iter().map(|(_, bytes)| bytes).sum::<usize>();
        place.is_none_or(|place| place == 0) || held() < self.most
    }

    /// A connection was read, and holds so many bytes of a frame that has not ended.
    pub fn note(&mut self, key: ConnectionKey, bytes: usize) {
        match self.line.iter_mut().find(|(other, _)| *other == key) {
            Some((_, held)) => *held = bytes,
            None if bytes > SMALL_BYTES => self.line.push((key, bytes)),
            None => {}
        }
    }

    /// The frame of a connection has ended, or will never do; the next one is last in line.
    pub fn end(&mut self, key: ConnectionKey) {
        self.line.retain(|(other, _)| *other != key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TURN: usize = 8 * SMALL_BYTES;
    const FRAME: usize = 10 * TURN;
    const MOST: usize = 25 * TURN;

    proptest! {
        /// Connections that send large frames without end, read in any order: the parts are bounded, somebody can always
        /// be read, and nobody is left behind for ever.
        #[test]
        fn large_frames_share_the_room(order in prop::collection::vec((0usize..6, 1..=TURN), 2_000..4_000)) {
            let mut intake = Intake::new(MOST);
            let (mut held, mut ended) = ([0; 6], [0; 6]);
            for (pick, portion) in order {
                let admitted: Vec<usize> = (0..6).filter(|key| intake.admits(ConnectionKey(*key))).collect();
                prop_assert!(!admitted.is_empty(), "{intake:?}");
                let key = admitted[pick % admitted.len()];
                held[key] += portion;
                if held[key] >= FRAME {
                    (held[key], ended[key]) = (held[key] - FRAME, ended[key] + 1);
                    intake.end(ConnectionKey(key));
                }
                intake.note(ConnectionKey(key), held[key]);
                prop_assert!(held.iter().sum::<usize>() < MOST + FRAME + 6 * (SMALL_BYTES + TURN), "{held:?}");
            }
            prop_assert!(ended.iter().all(|frames| *frames > 0), "{ended:?}");
        }
    }

    #[test]
    fn a_frame_that_never_ends_makes_room_when_it_is_given_up() {
        let mut intake = Intake::new(MOST);
        let [first, second, small] = [0, 1, 2].map(ConnectionKey);
        intake.note(first, MOST);
        intake.note(second, SMALL_BYTES + 1);
        intake.note(small, SMALL_BYTES);
        assert_eq!([first, second, small].map(|key| intake.admits(key)), [true, false, true]);
        intake.end(first);
        assert!(intake.admits(second));
    }
}
