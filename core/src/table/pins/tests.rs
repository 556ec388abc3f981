use super::*;

const OLD: ImageId = ImageId { slot: 1, generation: 4 };
const NEW: ImageId = ImageId { slot: 1, generation: 5 };

#[test]
fn an_image_is_in_use_until_its_last_user_is_done() {
    let mut pins = ImagePins::new(2);
    assert!(!pins.contains(OLD));
    pins.pin(OLD);
    pins.pin(OLD);
    pins.unpin(OLD);
    assert!(pins.contains(OLD));
    assert!(!pins.contains(NEW));
    pins.unpin(OLD);
    assert!(!pins.contains(OLD));
}

#[test]
fn a_slot_serves_another_image_afterwards() {
    let mut pins = ImagePins::new(2);
    pins.pin(OLD);
    pins.unpin(OLD);
    pins.pin(NEW);
    assert!(pins.contains(NEW) && !pins.contains(OLD));
    assert!(!pins.contains(ImageId { slot: 9, generation: 0 }));
}

#[test]
#[should_panic(expected = "nobody uses it")]
fn two_images_in_one_slot_are_a_mistake_of_ours() {
    let mut pins = ImagePins::new(2);
    pins.pin(OLD);
    pins.pin(NEW);
}
