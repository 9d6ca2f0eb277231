//! A domain's XML, without passwords and with them.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;
use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use crate::request::Question;

/// The live XML, as everybody may see it.
pub(crate) struct DomainXml(pub(crate) Uuid);

impl Question for DomainXml {
    type Answer = Arc<str>;

    fn ask(&self, connection: &Connect) -> Result<Self::Answer, Error> {
        // No flags: the running domain, without passwords.
        xml(connection, self.0, 0).map(Arc::from)
    }

    fn domain(&self) -> Option<Uuid> {
        Some(self.0)
    }
}

/// The live XML with its consoles' passwords.
pub(crate) struct DomainXmlWithPasswords(pub(crate) Uuid);

impl Question for DomainXmlWithPasswords {
    type Answer = SecretString;

    fn ask(&self, connection: &Connect) -> Result<Self::Answer, Error> {
        xml(connection, self.0, sys::VIR_DOMAIN_XML_SECURE).map(SecretString::from)
    }

    fn domain(&self) -> Option<Uuid> {
        Some(self.0)
    }
}

fn xml(connection: &Connect, uuid: Uuid, flags: sys::virDomainXMLFlags) -> Result<String, Error> {
    let uuid = uuid.hyphenated().to_string();
    connection.lookup_domain_by_uuid_string(&uuid)?.xml_desc(flags)
}
