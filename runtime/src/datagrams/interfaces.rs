//! The served interfaces, by our names and by the kernel's.

use reveille_core::engine::{InterfaceId, SendError};

/// The served interfaces, in the order of [`InterfaceId`].
#[derive(Debug, Default)]
pub(super) struct Interfaces(Vec<Known>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// The kernel's index; 0 while it is away.
    index: u32,
    /// Whether the device takes split sends.
    splits: bool,
}

impl Interfaces {
    /// Serves the interfaces with these kernel indices from now on. What is known of a device
    /// is forgotten with its index.
    pub(super) fn replace(&mut self, indices: &[u32]) {
        let known = |(at, index): (usize, &u32)| {
            let before = self.0.get(at).filter(|before| before.index == *index);
            before.copied().unwrap_or(Known { index: *index, splits: true })
        };
        self.0 = indices.iter().enumerate().map(known).collect();
    }

    /// Our name of an interface; one that is not served gets a name that no view knows.
    pub(super) fn id(&self, index: u32) -> InterfaceId {
        let position = self.0.iter().position(|known| known.index == index && index != 0);
        InterfaceId(position.map_or(u16::MAX, |position| position as u16))
    }

    /// The kernel's name; 0, which leaves it to the routes, for one that was never served.
    ///
    /// # Errors
    /// [`SendError::Refused`] for one that is away: what was for its link must not leave by
    /// another.
    pub(super) fn index(&self, id: InterfaceId) -> Result<u32, SendError> {
        match self.0.get(usize::from(id.0)) {
            Some(Known { index: 0, .. }) => Err(SendError::Refused),
            Some(known) => Ok(known.index),
            None => Ok(0),
        }
    }

    /// Whether its device takes split sends, as far as is known.
    pub(super) fn splits(&self, id: InterfaceId) -> bool {
        self.0.get(usize::from(id.0)).is_none_or(|known| known.splits)
    }

    /// Takes note that its device does not.
    pub(super) fn refuse_splits(&mut self, id: InterfaceId) {
        if let Some(known) = self.0.get_mut(usize::from(id.0)) {
            known.splits = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN: InterfaceId = InterfaceId(u16::MAX);

    fn interfaces(indices: &[u32]) -> Interfaces {
        let mut interfaces = Interfaces::default();
        interfaces.replace(indices);
        interfaces
    }

    #[test]
    fn interfaces_that_are_not_served_have_no_place_in_a_view() {
        let mut interfaces = interfaces(&[7, 3]);
        assert_eq!((interfaces.id(3), interfaces.index(InterfaceId(1))), (InterfaceId(1), Ok(3)));
        assert_eq!((interfaces.id(4), interfaces.index(UNKNOWN)), (UNKNOWN, Ok(0)));
        assert!(interfaces.splits(InterfaceId(0)) && interfaces.splits(UNKNOWN));
        interfaces.refuse_splits(InterfaceId(0));
        assert!(!interfaces.splits(InterfaceId(0)) && interfaces.splits(InterfaceId(1)));
    }

    #[test]
    fn one_that_is_away_keeps_its_place_and_is_sent_nothing() {
        let mut interfaces = interfaces(&[7, 3]);
        interfaces.refuse_splits(InterfaceId(1));
        interfaces.refuse_splits(InterfaceId(0));
        interfaces.replace(&[0, 3, 9]);
        assert_eq!((interfaces.id(7), interfaces.id(0)), (UNKNOWN, UNKNOWN));
        assert_eq!((interfaces.id(3), interfaces.id(9)), (InterfaceId(1), InterfaceId(2)));
        assert_eq!(interfaces.index(InterfaceId(0)), Err(SendError::Refused));
        assert!(!interfaces.splits(InterfaceId(1)), "it is the same device");
        interfaces.replace(&[12, 3, 9]);
        assert_eq!(interfaces.id(12), InterfaceId(0));
        assert!(interfaces.splits(InterfaceId(0)), "it is another device");
    }
}
