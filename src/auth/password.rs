//! Passwords: the rule for choosing one, argon2id, and one-time passwords.
//!
//! Everything here takes its time on the calling thread; servers go through [`super::Hasher`].
//!
//! **Invariant:** a password is never stored, logged or put into an error.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};

use super::secret::random_bytes;
use crate::{
    config::Secret,
    error::{Error, Result},
};

/// Shortest password in characters (NIST SP 800-63B asks for 8 with a second factor and 15 without; length beats symbols).
pub const SHORTEST: usize = 12;
/// Longest password in bytes, so that hashing can't be made expensive by length.
pub const LONGEST: usize = 1024;

/// Memory in KiB, passes and lanes: the minimum of the OWASP Password Storage Cheat Sheet for argon2id.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What a password is compared with where no hash is stored, so that it takes as long. No password fits: see [`verify`].
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gYWNjb3VudCBoZXJlIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The commonest passwords that are long enough, in lower case.
const COMMONEST: [&str; 20] = [
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "1q2w3e4r5t6y",
    "abcdefghijkl",
    "adminadminadmin",
    "administrator",
    "changemechangeme",
    "changeme1234",
    "iloveyou1234",
    "letmeinletmein",
    "password1234",
    "password12345",
    "passwordpassword",
    "qwerty123456",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiopasdf",
    "welcome12345",
];

/// What a stored hash says about a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another password, or there is none.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and its hash was made with older parameters: this is the hash to store instead.
    RightButOutdated(String),
}

impl Verdict {
    /// Whether the password was right.
    pub fn is_right(&self) -> bool {
        *self != Verdict::Wrong
    }
}

/// Refuses a password that is too short, too long, among the commonest or made of the user name. `pointer` names its place
/// in the request.
pub fn check_choice(password: &str, user_name: &str, pointer: &str) -> Result<()> {
    let lower = password.to_lowercase();
    let name = user_name.trim().to_lowercase();
    let (code, detail) = if password.chars().count() < SHORTEST {
        ("too_short", format!("A password has at least {SHORTEST} characters."))
    } else if password.len() > LONGEST {
        ("too_long", format!("A password has at most {LONGEST} bytes."))
    } else if !name.is_empty() && lower.contains(&name) && lower.replace(&name, "").chars().count() < SHORTEST / 2 {
        ("too_simple", "The password is little more than the user name.".to_owned())
    } else if COMMONEST.contains(&lower.as_str()) || one_character(&lower) {
        ("too_simple", "This is one of the commonest passwords.".to_owned())
    } else {
        return Ok(());
    };
    Err(Error::invalid(pointer, code, detail))
}

/// [`check_choice`] for one who changes their password: the new one must also be another.
pub fn check_change(old: &str, new: &str, user_name: &str, pointer: &str) -> Result<()> {
    if old == new {
        return Err(Error::invalid(pointer, "unchanged", "The new password is the old one."));
    }
    check_choice(new, user_name, pointer)
}

fn one_character(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    characters.all(|c| Some(c) == first)
}

/// The hash of a password with a salt of its own, as a PHC string.
pub fn hash(password: &str) -> Result<String> {
    Ok(argon2()?.hash_password(password.as_bytes()).map_err(Error::internal)?.to_string())
}

/// Compares a password with what is stored. Without a stored hash it takes as long and is wrong, so that the time does not
/// tell whether there is an account.
pub fn verify(password: &str, stored: Option<&str>) -> Result<Verdict> {
    if password.len() > LONGEST {
        return Ok(Verdict::Wrong);
    }
    let parsed = PasswordHash::new(stored.unwrap_or(NOBODY)).map_err(Error::internal)?;
    let right = match argon2()?.verify_password(password.as_bytes(), &parsed) {
        Ok(()) => stored.is_some(),
        Err(argon2::password_hash::Error::PasswordInvalid) => false,
        Err(other) => return Err(Error::internal(other)),
    };
    Ok(match (right, is_outdated(&parsed)) {
        (false, _) => Verdict::Wrong,
        (true, false) => Verdict::Right,
        (true, true) => Verdict::RightButOutdated(hash(password)?),
    })
}

/// Whether a hash was made with other parameters than today's.
fn is_outdated(stored: &PasswordHash) -> bool {
    let today = |p: Params| (p.m_cost(), p.t_cost(), p.p_cost()) == (MEMORY, PASSES, LANES);
    stored.algorithm.as_str() != Algorithm::Argon2id.as_str() || !Params::try_from(stored).is_ok_and(today)
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A password to be changed at first use: 100 random bits in letters and digits that can't be confused with each other.
pub fn one_time() -> Result<Secret> {
    /// Crockford's base 32: a power of two, so that no letter is likelier than another.
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters: Vec<char> = random_bytes::<20>()?.iter().map(|b| char::from(LETTERS[usize::from(b & 31)])).collect();
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Ok(Secret::new(groups.join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_judged_by_length_commonness_and_user_name() {
        let long = "x1".repeat(513);
        for (password, code) in [
            ("short", Some("too_short")),
            ("elevenchars", Some("too_short")),
            ("twelve chars", None),
            ("zwölf Zeichn", None),
            (long.as_str(), Some("too_long")),
            ("Password1234", Some("too_simple")),
            ("aaaaaaaaaaaaa", Some("too_simple")),
            ("ada.lovelace", Some("too_simple")),
            ("Ada.Lovelace2024!", Some("too_simple")),
            ("ada.lovelace knows engines", None),
        ] {
            let verdict = check_choice(password, "ada.lovelace", "/password");
            let found = verdict.err().map(|e| e.errors[0].code.clone());
            assert_eq!(found.as_deref(), code, "{password}");
        }
    }

    #[test]
    fn a_change_must_change_something() {
        let refused = check_change("correct horse battery", "correct horse battery", "ada", "/new").unwrap_err();
        assert_eq!(refused.errors[0].code, "unchanged");
        check_change("correct horse battery", "staple battery horse", "ada", "/new").unwrap();
    }

    #[test]
    fn a_hash_knows_its_password_and_nobody_knows_any() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hash("correct horse battery").unwrap(), "each has its own salt");
        assert_eq!(verify("correct horse battery", Some(&stored)).unwrap(), Verdict::Right);
        assert_eq!(verify("correct horse batterz", Some(&stored)).unwrap(), Verdict::Wrong);
        assert_eq!(verify("correct horse battery", None).unwrap(), Verdict::Wrong);
        assert!(verify("anything", Some("not a hash")).is_err());
        assert!(!is_outdated(&PasswordHash::new(NOBODY).unwrap()), "as expensive as a hash of today");
    }

    #[test]
    fn an_outdated_hash_is_made_again() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let stored = weak.hash_password(b"correct horse battery").unwrap().to_string();
        let Verdict::RightButOutdated(fresh) = verify("correct horse battery", Some(&stored)).unwrap() else {
            panic!("an outdated hash passed as fresh")
        };
        assert_eq!(verify("correct horse battery", Some(&fresh)).unwrap(), Verdict::Right);
        assert_eq!(verify("wrong", Some(&stored)).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn one_time_passwords_pass_the_rule_and_differ() {
        let (a, b) = (one_time().unwrap(), one_time().unwrap());
        assert_eq!(a.expose().len(), 23);
        assert_ne!(a, b);
        check_choice(a.expose(), "admin", "/password").unwrap();
    }
}
