//! Bytes of a stream that have arrived and were not used yet.

/// Above this, a buffer that is empty again gives its memory back.
const KEPT_BYTES: usize = 1 << 20;

/// Grows with what arrives, never with what somebody says will come.
#[derive(Debug, Default)]
pub struct Received {
    /// `start` bytes of it are consumed.
    bytes: Vec<u8>,
    start: usize,
}

impl Received {
    /// Add bytes that have arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What waits to be used.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// So many of the first bytes that wait were used.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.start = 0;
            // A connection that once carried something large does not keep its memory.
            if self.bytes.capacity() > KEPT_BYTES { self.bytes = Vec::new() } else { self.bytes.clear() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_large_leaves_no_memory_behind() {
        let mut received = Received::default();
        received.feed(&vec![7; 4 << 20]);
        received.consume((4 << 20) - 2);
        received.feed(&[8]);
        assert_eq!(received.waiting(), [7, 7, 8]);
        received.consume(3);
        assert_eq!((received.waiting(), received.bytes.capacity()), (&[][..], 0));
    }
}
