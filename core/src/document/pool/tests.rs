use core::net::Ipv4Addr;

use super::*;
use crate::document::DocumentKind;
use crate::identity::ClientIdentity;
use crate::view::ProfileId;

fn document(kind: DocumentKind) -> Document {
    let server = Ipv4Addr::new(10, 0, 0, 1);
    Document { kind, client: ClientIdentity::default(), address: None, server }
}

#[test]
fn documents_are_kept_until_they_are_released() {
    let view = View::default();
    let mut pool = DocumentPool::new(1);
    let script = document(DocumentKind::Identify);
    let id = pool.render(&script, &view).expect("room");
    assert!(pool.bytes(id).starts_with(b"#!ipxe\n"));
    assert_eq!(pool.render(&script, &view), Err(PoolError::Full));
    pool.release(id);
    assert!(pool.render(&script, &view).is_ok());
}

#[test]
fn a_document_that_fails_takes_no_room() {
    let view = View::default();
    let mut pool = DocumentPool::new(1);
    let gone = document(DocumentKind::Ipxe(ProfileId(7)));
    assert_eq!(pool.render(&gone, &view), Err(PoolError::Render(RenderError::NoProfile)));
    assert!(pool.is_empty());
}
