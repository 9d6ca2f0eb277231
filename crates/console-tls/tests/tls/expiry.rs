//! Certificates that have not expired, but soon will.

use std::time::{Duration, SystemTime};

use console_tls::{Certificate, EXPIRY_WARNING, Finding, Moment, TlsError, check, dates};
use rcgen::CertificateParams;
use rustls::crypto::aws_lc_rs;

use crate::findings::texts;
use crate::rig::{Authority, HOST, ders, identity, key};
use crate::watched::both;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whole days from now, and a bit more.
fn until(days: u32) -> impl FnOnce(&mut CertificateParams) {
    let at = SystemTime::now() + days * DAY + DAY / 2;
    move |params| params.not_after = at.into()
}

fn findings_at(text: &str, root: &str, now: Moment) -> Vec<Finding> {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    check(&identity(text).unwrap(), None, &ders(root), &algorithms, now)
}

#[test]
fn one_that_expires_soon_is_told_once_it_is_near() {
    let root = Authority::root("Root");
    for (days, expected) in [(300, None), (22, None), (20, Some("20 days")), (2, Some("2 days"))]
        .into_iter()
        .chain([(1, Some("1 day")), (0, Some("less than a day"))])
    {
        let leaf = root.leaf_with(&key(), HOST, until(days));
        let found = findings_at(&both(&leaf), &root.pem, Moment::now());
        let at = Certificate::parse(ders(&leaf.pem).remove(0)).unwrap().not_after();
        let expected = expected.map(|left| format!("CN={HOST} expires at {at}, in {left}"));
        assert_eq!(texts(&found), Vec::from_iter(expected), "{days}");
        for one in found {
            let name = format!("CN={HOST}");
            assert_eq!(one, Finding::ExpiresSoon { name, at, days: days.into() });
            assert!(one.is_warning());
            assert_eq!(
                one.remedy(),
                "renew it (certbot renew, or as your authority has it); a renewed file is taken up without a restart"
            );
        }
    }
    assert_eq!(EXPIRY_WARNING, 21 * DAY);
}

#[test]
fn an_issuer_that_expires_soon() {
    let root = Authority::root("Root");
    let between = root.below_with("Intermediate", key(), until(3));
    let leaf = between.leaf(HOST);
    let text = [&*leaf.pem, &between.pem, &leaf.key].concat();
    let found = findings_at(&text, &root.pem, Moment::now());
    assert!(
        matches!(&found[..], [Finding::ExpiresSoon { name, days: 3, .. }] if name == "CN=Intermediate"),
        "{found:?}"
    );
    // The root is not sent, so it is none of ours.
    let old = Authority::root("Old Root");
    let leaf = old.leaf_with(&key(), HOST, until(0));
    assert_eq!(findings_at(&both(&leaf), &old.pem, Moment::now()).len(), 1);
}

#[test]
fn days_are_whole_ones() {
    let root = Authority::root("Root");
    let moment = |days| {
        let leaf = root.leaf_with(&key(), HOST, until(days));
        Certificate::parse(ders(&leaf.pem).remove(0)).unwrap().not_after()
    };
    let now = Moment::now();
    for days in [0, 1, 20, 400] {
        assert_eq!(now.days_until(moment(days)), i64::from(days));
        assert_eq!(moment(days).days_until(now), -i64::from(days) - 1);
    }
    assert_eq!(now.days_until(now), 0);
}

#[test]
fn dates_can_be_looked_at_without_a_server() {
    let root = Authority::root("Root");
    let leaf = root.leaf_with(&key(), HOST, until(5));
    let identity = identity(both(&leaf)).unwrap();
    let path = std::path::Path::new("/etc/ssl/console.pem");
    let (now, own) = (Moment::now(), identity.certificate());
    dates(&identity, path, now).unwrap();
    dates(&identity, path, own.not_after()).unwrap();
    let far = Authority::root_with("Far", key());
    let far = Certificate::parse(ders(&far.pem).remove(0)).unwrap().not_after();
    let error = dates(&identity, path, far).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!(
            "the certificate CN={HOST} in /etc/ssl/console.pem expired at {}",
            own.not_after()
        )),
        "{error}"
    );
    let late = root.leaf_with(&key(), HOST, |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 31);
    });
    let late = crate::rig::identity(both(&late)).unwrap();
    assert!(matches!(dates(&late, path, now), Err(TlsError::NotYetValid { .. })));
}
