//! The order of a chain: the server's own certificate, then each one's issuer (RFC 8446 section 4.4.2).

use rustls::crypto::WebPkiSupportedAlgorithms;

use crate::certificate::Certificate;

/// What is beside the server's certificate and belongs to none.
pub(crate) struct Strangers(pub(crate) Vec<String>);

/// Puts the issuers of `own` in order. What does not lead on, but issued one that is there (a root signed by another root, too), comes last.
pub(crate) fn sort(
    own: &Certificate,
    mut rest: Vec<Certificate>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<Vec<Certificate>, Strangers> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut looks_left = MAX_LOOKS;
    loop {
        let last = chain.last().unwrap_or(own);
        if last.is_self_signed(algorithms) {
            break;
        }
        // Of two with the same name, the one that signed it; of two with the same key, too, the one that leads further, and then the one
        // that holds for longer. Signatures are only looked at where names and key identifiers leave a choice.
        let issuers = || rest.iter().enumerate().rev().filter(|(_, one)| last.is_issued_by(one));
        let choices = issuers().count();
        let is_choice = choices > 1 && choices <= looks_left;
        if is_choice {
            looks_left -= choices;
        }
        let next = issuers().max_by_key(|(_, one)| {
            let may_be_signer = !is_choice || last.is_signed_by(one, algorithms) != Some(false);
            (may_be_signer, !one.is_self_issued(), one.not_after())
        });
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

/// How many signatures are checked for their order at most: beyond it, hundreds of certificates with one name would take minutes.
const MAX_LOOKS: usize = 1000;
