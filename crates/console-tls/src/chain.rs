//! The order of a chain: the server's own certificate, then each one's issuer (RFC 8446 section 4.4.2).

use crate::certificate::Certificate;

/// What is beside the server's certificate and belongs to none.
pub(crate) struct Strangers(pub(crate) Vec<String>);

/// Puts the issuers of `own` in order. What does not lead on, but issued one that is there (a root signed by another root, too), comes last.
pub(crate) fn sort(
    own: &Certificate,
    mut rest: Vec<Certificate>,
) -> Result<Vec<Certificate>, Strangers> {
    let mut chain: Vec<Certificate> = Vec::new();
    loop {
        let last = chain.last().unwrap_or(own);
        if last.is_self_issued() {
            break;
        }
        // Of two with the same name and key, the one that leads further.
        let issuers = || rest.iter().enumerate().filter(|(_, one)| last.is_issued_by(one));
        let next = issuers().find(|(_, one)| !one.is_self_issued()).or_else(|| issuers().next());
        let Some((index, _)) = next else { break };
        let issuer = rest.remove(index);
        chain.push(issuer);
    }
    while let Some(index) =
        rest.iter().position(|one| chain.iter().chain([own]).any(|known| known.is_issued_by(one)))
    {
        let alternate = rest.remove(index);
        chain.push(alternate);
    }
    if rest.is_empty() {
        Ok(chain)
    } else {
        Err(Strangers(rest.iter().map(|one| one.name().to_owned()).collect()))
    }
}
