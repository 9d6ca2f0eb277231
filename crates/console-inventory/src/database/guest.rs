//! A guest's row, and what can be said of one that makes no sense.

use console_token::HostId;
use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use crate::database::row::plain_name;

/// A guest that the panel knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanelGuest {
    /// The number of the host that the panel has it on. That host's row may be of no use.
    pub host: HostId,
    /// Its name, fit for one line of a log; `guest` and the number of its row where it is not.
    pub name: String,
    /// Its uuid.
    pub uuid: Uuid,
}

/// One row of `instance_instance` or `instances_instance`. What cannot be read in it is nothing: one odd row must not hide the others.
#[derive(Debug)]
pub(crate) struct GuestRow {
    id: Option<i64>,
    host: Option<i64>,
    name: Option<String>,
    uuid: Option<String>,
    /// How many hosts have the number of its host: one or none.
    hosts: i64,
}

impl GuestRow {
    /// The columns in the query's order.
    pub(crate) fn decode<R: Row>(row: &R) -> Self
    where
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
        usize: ColumnIndex<R>,
    {
        // SQLite keeps any type in any column.
        let number = |index: usize| row.try_get::<Option<i64>, _>(index).ok().flatten();
        let text = |index: usize| row.try_get::<Option<String>, _>(index).ok().flatten();
        Self {
            id: number(0),
            host: number(1),
            name: text(2),
            uuid: text(3),
            hosts: number(4).unwrap_or_default(),
        }
    }

    /// The guest, or one sentence about what is odd about its row. A uuid is in no such sentence: with the host's number it opens a console.
    pub(crate) fn into_guest(self) -> Result<PanelGuest, String> {
        let id = self.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        let name = plain_name(self.name.as_deref(), MAX_GUEST_NAME);
        let odd = |what: &str| match name {
            Some(name) => Err(format!("guest {name} (row {id}) {what}")),
            None => Err(format!("the guest of row {id} {what}")),
        };
        let Some(number) = self.host else { return odd("has no host") };
        let host = match u64::try_from(number) {
            Ok(host) if self.hosts > 0 => HostId::new(host),
            _ => return odd(&format!("is on host {number}, which does not exist")),
        };
        let text = self.uuid.as_deref().unwrap_or_default();
        if text.is_empty() {
            return odd("has no uuid");
        }
        let Ok(uuid) = Uuid::try_parse(text) else {
            let length = text.chars().count();
            return odd(&format!("has something else in its uuid's place (length {length})"));
        };
        if uuid.hyphenated().to_string() != text {
            // Guests are found by comparing the text with libvirt's.
            return odd(
                "has its uuid written otherwise than libvirt, which has small letters and hyphens",
            );
        }
        let name = name.map_or_else(|| format!("guest {id}"), str::to_owned);
        Ok(PanelGuest { host, name, uuid })
    }
}

/// The longest name, in characters; WebVirtCloud's column holds 120.
const MAX_GUEST_NAME: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0a000000-0000-4000-8000-00000000abcd";

    fn row(uuid: Option<&str>) -> GuestRow {
        let uuid = uuid.map(str::to_owned);
        GuestRow { id: Some(7), host: Some(3), name: Some(" web 1 ".into()), uuid, hosts: 1 }
    }

    #[test]
    fn a_guest_has_a_host_a_plain_name_and_a_uuid() {
        let guest = row(Some(UUID)).into_guest().unwrap();
        assert_eq!((guest.host, guest.name.as_str()), (HostId::new(3), "web 1"));
        assert_eq!(guest.uuid.to_string(), UUID);
        for name in [None, Some(""), Some("a\nb"), Some("\u{1b}[2J")] {
            let row = GuestRow { name: name.map(str::to_owned), ..row(Some(UUID)) };
            assert_eq!(row.into_guest().unwrap().name, "guest 7");
        }
    }

    #[test]
    fn what_is_odd_is_said_in_one_line_without_the_uuid() {
        let upper = UUID.to_uppercase();
        for (row, expected) in [
            (row(None), "guest web 1 (row 7) has no uuid"),
            (row(Some("")), "has no uuid"),
            (row(Some(&UUID[1..])), "has something else in its uuid's place (length 35)"),
            (row(Some(&upper)), "written otherwise"),
            (row(Some(&UUID.replace('-', ""))), "written otherwise"),
            (GuestRow { host: None, ..row(Some(UUID)) }, "guest web 1 (row 7) has no host"),
            (
                GuestRow { hosts: 0, ..row(Some(UUID)) },
                "guest web 1 (row 7) is on host 3, which does not exist",
            ),
            (GuestRow { host: Some(-3), ..row(Some(UUID)) }, "is on host -3, which"),
            (
                GuestRow { id: None, name: Some("a\nb".into()), ..row(None) },
                "the guest of row ? has no uuid",
            ),
        ] {
            let said = row.into_guest().unwrap_err();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("0000000") && !said.contains('\n'), "{said}");
        }
    }
}
