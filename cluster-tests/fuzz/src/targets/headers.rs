//! One content header frame's payload: its properties, as they are looked into, decoded and changed.

use amqp_codec::{
    BasicProperties,
    content::ContentHeader,
    properties::{self, PropertiesEdit, PropertiesView},
};
use bytes::Bytes;
use types::{FieldValue, ShortStr};

use crate::memory;

/// See the module.
pub fn headers(data: &[u8]) {
    let Ok(header) = ContentHeader::decode(Bytes::copy_from_slice(data)) else { return };
    let raw = header.properties;
    let decoded = memory::bounded(data.len(), 0, || BasicProperties::decode(raw.clone()));
    let name = ShortStr::from_static("x-delivery-count");
    let changed = properties::set_header(&raw, &name, &FieldValue::I64(1));
    assert_eq!(properties::validate(&raw).is_ok(), decoded.is_ok());
    let Ok(decoded) = decoded else { return };
    let view = PropertiesView::new(&raw).expect("what decodes can be looked into");
    assert_eq!(view.user_id(), decoded.user_id);
    assert_eq!(view.timestamp(), decoded.timestamp);
    let changed = BasicProperties::decode(changed.expect("the properties are sound")).expect("and still are");
    assert_eq!(changed.headers.expect("one was set").get("x-delivery-count"), Some(&FieldValue::I64(1)));
    let mut edit = PropertiesEdit::new(&raw).expect("what decodes can be looked into");
    edit.remove_header(name).set_expiration(None).set_priority(Some(1));
    let edited = BasicProperties::decode(edit.finish().expect("the headers are sound")).expect("and still are");
    assert_eq!((edited.expiration, edited.priority), (None, Some(1)));
    assert!(edited.headers.is_none_or(|headers| headers.get("x-delivery-count").is_none()));
    let again = BasicProperties::decode(decoded.to_bytes()).expect("we read what we write");
    assert_eq!(again.to_bytes(), decoded.to_bytes());
}
