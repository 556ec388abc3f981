//! What the configuration says about one client: its classes.

use super::request::Request;
use crate::view::{Claims, ClassSet, View};

/// The classes that the sender of `request` belongs to.
pub(super) fn classes_of(request: &Request<'_>, view: &View, known: bool) -> ClassSet {
    if view.classes.is_empty() {
        return ClassSet::EMPTY;
    }
    view.classes.of(&Claims {
        client: &request.client,
        options: request.options,
        message: &request.message,
        known,
    })
}
