//! Time zones, by the names of the IANA database.

use jiff::tz::TimeZone;

use super::section::{Section, Value};
use super::shown::{closest, shown};

impl Section<'_, '_> {
    /// The zone of this name; a name that is none is a fault with the one that was probably meant.
    pub(crate) fn zone_of(&self, written: &Value<'_, str>) -> Option<TimeZone> {
        let zone = TimeZone::get(written.get).ok();
        if zone.is_none() {
            let names: Vec<String> = jiff::tz::db()
                .available()
                .map(|name| name.as_str().to_string())
                .collect();
            let message = format!(
                "no time zone is called {:?}; expected a name such as \"Europe/Berlin\"",
                shown(written.get)
            );
            let suggestion = closest(written.get, names.iter().map(String::as_str));
            self.fault(written.at.clone(), message, suggestion);
        }
        zone
    }
}
