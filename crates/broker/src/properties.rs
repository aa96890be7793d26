//! A message's properties, for routing.

use amqp_codec::properties::PropertiesView;
use bytes::Bytes;
use routing::Properties;
use types::{FieldTable, FieldValue, ShortStr};

use crate::session::wishes;

/// The properties as they came, read when routing asks. What cannot be read is not there.
pub(crate) struct RawProperties<'a>(pub(crate) &'a Bytes);

impl RawProperties<'_> {
    fn view(&self) -> Option<PropertiesView<'_>> {
        PropertiesView::new(self.0).ok()
    }
}

impl Properties for RawProperties<'_> {
    fn headers(&self) -> Option<FieldTable> {
        self.view()?.headers().ok().flatten()
    }

    fn header(&self, name: &[u8]) -> Option<FieldValue> {
        self.view()?.header(name).ok().flatten()
    }

    fn message_id(&self) -> Option<ShortStr> {
        self.view()?.message_id()
    }

    fn correlation_id(&self) -> Option<ShortStr> {
        self.view()?.correlation_id()
    }

    fn timestamp(&self) -> Option<u64> {
        self.view()?.timestamp()
    }

    fn asks_for_delay(&self) -> bool {
        self.header(b"x-delay").is_some_and(|delay| wishes::delay_ms(&delay).is_some())
    }

    fn may_be_kept(&self) -> bool {
        self.header(b"x-recent-history-no-store") != Some(FieldValue::Bool(true))
    }
}
