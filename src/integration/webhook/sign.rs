//! Signatures of messages, as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    auth::secret::random_bytes,
    config::Secret,
    error::{Error, Result},
};

/// How a secret begins.
pub const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
pub fn new_secret() -> Result<Secret> {
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(random_bytes::<32>()?))))
}

/// The header `webhook-signature`: one signature for each secret, so that a receiver that knows one of them is content.
pub fn signatures(secrets: &[Secret], id: &str, timestamp: i64, body: &str) -> Result<String> {
    let signed = format!("{id}.{timestamp}.{body}");
    let each = secrets.iter().map(|secret| signature(secret, &signed)).collect::<Result<Vec<_>>>()?;
    Ok(each.join(" "))
}

fn signature(secret: &Secret, signed: &str) -> Result<String> {
    let text = secret.expose();
    let key = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).map_err(|_| Error::internal("no secret"))?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, which its libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = "{\"test\": 2432232314}";

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let signed = signatures(&[Secret::new(SECRET)], ID, 1_614_265_330, BODY).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let bare = signatures(&[Secret::new(SECRET.trim_start_matches(PREFIX))], ID, 1_614_265_330, BODY).unwrap();
        assert_eq!(bare, signed);
    }

    /// RFC 4231, test case 2, whose key is no base64: `Jefe`.
    #[test]
    fn it_is_the_hmac_of_rfc_4231() {
        let key = Secret::new(STANDARD.encode("Jefe"));
        let expected = hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843").unwrap();
        assert_eq!(
            signature(&key, "what do ya want for nothing?").unwrap(),
            format!("v1,{}", STANDARD.encode(expected))
        );
    }

    #[test]
    fn each_part_counts_and_each_secret_signs() {
        let (old, new) = (new_secret().unwrap(), new_secret().unwrap());
        let sign = |secrets: &[Secret], id, at, body| signatures(secrets, id, at, body).unwrap();
        let base = sign(std::slice::from_ref(&new), "a", 1, "b");
        for other in [sign(std::slice::from_ref(&new), "c", 1, "b"), sign(std::slice::from_ref(&new), "a", 2, "b")] {
            assert_ne!(base, other);
        }
        assert_ne!(base, sign(std::slice::from_ref(&new), "a", 1, "c"));
        assert_ne!(base, sign(std::slice::from_ref(&old), "a", 1, "b"));
        let both = sign(&[new.clone(), old.clone()], "a", 1, "b");
        assert_eq!(both.split(' ').collect::<Vec<_>>(), [base.as_str(), &sign(&[old], "a", 1, "b")]);
        assert!(new.expose().starts_with(PREFIX));
        assert_eq!(STANDARD.decode(&new.expose()[PREFIX.len()..]).unwrap().len(), 32);
    }
}
