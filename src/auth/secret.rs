//! Secrets that the server makes: random text for their owner, a digest for the store.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    config::Secret,
    error::{Error, Result},
};

/// 256 random bits in URL-safe base64 behind `prefix`.
pub fn random(prefix: &str) -> Result<Secret> {
    Ok(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))))
}

/// SHA-256 in hexadecimal. Enough for secrets of 256 random bits, which can't be guessed; never for passwords.
pub fn digest(text: &str) -> String {
    hex::encode(digest_bytes(text))
}

/// SHA-256 as bytes.
pub fn digest_bytes(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Bytes from a generator made for secrets.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_a_digest_is_sha_256() {
        let (a, b) = (random("pm_x_").unwrap(), random("pm_x_").unwrap());
        assert_ne!(a, b);
        assert_eq!(a.expose().len(), "pm_x_".len() + 43);
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
