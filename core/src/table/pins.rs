//! How many sessions use each image, so that its bytes stay as long as somebody sends them.

use alloc::boxed::Box;
use alloc::vec;

use crate::image::ImageId;

/// Use counts of images, by slot.
///
/// A slot goes to another image only after [`ImagePins::contains`] has denied the old one, so
/// one count and one generation a slot are enough.
#[derive(Debug)]
pub struct ImagePins {
    slots: Box<[Pin]>,
}

#[derive(Clone, Copy, Debug)]
struct Pin {
    generation: u32,
    count: u32,
}

impl ImagePins {
    /// Room for images in the slots below `capacity`.
    pub fn new(capacity: u32) -> Self {
        let unused = Pin { generation: 0, count: 0 };
        Self { slots: vec![unused; capacity as usize].into_boxed_slice() }
    }

    /// Counts one more use of `image`.
    ///
    /// # Panics
    /// If its slot is not below the capacity, or another image in that slot is still in use.
    pub fn pin(&mut self, image: ImageId) {
        let pin = &mut self.slots[image.slot as usize];
        assert!(
            pin.count == 0 || pin.generation == image.generation,
            "a slot changes hands only when nobody uses it"
        );
        pin.generation = image.generation;
        pin.count += 1;
    }

    /// Counts one use of `image` less.
    ///
    /// # Panics
    /// If it is not in use.
    pub fn unpin(&mut self, image: ImageId) {
        let pin = &mut self.slots[image.slot as usize];
        assert!(pin.count > 0, "what is released was in use");
        assert!(pin.generation == image.generation, "what is released is what was in use");
        pin.count -= 1;
    }

    /// Whether `image` is in use.
    pub fn contains(&self, image: ImageId) -> bool {
        let pin = self.slots.get(image.slot as usize);
        pin.is_some_and(|pin| pin.count > 0 && pin.generation == image.generation)
    }
}

#[cfg(test)]
mod tests;
