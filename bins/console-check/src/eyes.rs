//! A user with its groups, and becoming that user for good.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist, setgid, setgroups, setuid};

use crate::process::Service;
use crate::unit::Unit;

/// Whose rights count.
#[derive(Clone, Debug)]
pub(crate) struct Eyes {
    user: User,
    groups: Vec<Gid>,
}

impl Eyes {
    /// A user's, as after a login.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let user = User::from_name(name)
            .with_context(|| format!("user {name} cannot be looked up"))?
            .with_context(|| format!("there is no user {name}: getent passwd lists them"))?;
        Self::with_groups(user)
    }

    /// A process's, whose groups need not be its user's.
    pub(crate) fn of_service(service: &Service) -> Result<Self> {
        let uid = Uid::from_raw(service.uid);
        let mut user = User::from_uid(uid)?.unwrap_or_else(|| nameless(uid));
        user.gid = Gid::from_raw(service.gid);
        Ok(Self { user, groups: service.groups.iter().copied().map(Gid::from_raw).collect() })
    }

    /// What systemd would make of the unit's `User=`, `Group=` and `SupplementaryGroups=` (systemd.exec(5)); nothing if it makes the user when
    /// it starts.
    pub(crate) fn of_unit(unit: &Unit, name: &str) -> Result<Option<Self>> {
        let Some(mut user) = find_user(name)? else {
            if unit.is_dynamic {
                return Ok(None);
            }
            return Self::named(name).map(Some).context("webvirtmgr-console.service has that user");
        };
        if let Some(group) = &unit.group {
            user.gid = find_group(group)?;
        }
        let mut eyes = Self::with_groups(user)?;
        for group in &unit.groups {
            eyes.groups.push(find_group(group)?);
        }
        Ok(Some(eyes))
    }

    pub(crate) fn uid(&self) -> Uid {
        self.user.uid
    }

    fn with_groups(user: User) -> Result<Self> {
        let name = CString::new(user.name.as_str()).context("the user's name has a NUL")?;
        let groups = getgrouplist(&name, user.gid)
            .with_context(|| format!("the groups of {} cannot be read", user.name))?;
        Ok(Self { user, groups })
    }

    /// Gives up being root for good and runs this program anew, with that environment and what belongs to the user, and nothing else.
    pub(crate) fn become_them(&self, environment: Vec<(OsString, OsString)>) -> Result<Infallible> {
        let Self { user, groups } = self;
        let cannot = || format!("cannot become user {}", user.name);
        setgroups(groups).with_context(cannot)?;
        setgid(user.gid).with_context(cannot)?;
        setuid(user.uid).with_context(cannot)?;
        let error = Command::new("/proc/self/exe")
            .arg0("console-check")
            .args(std::env::args_os().skip(1))
            .env_clear()
            .env("HOME", &user.dir)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name)
            .envs(environment)
            .current_dir("/")
            .exec();
        Err(error).context("cannot run this program as that user")
    }
}

/// By name or number, as units have them.
fn find_user(name: &str) -> Result<Option<User>> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    found.with_context(|| format!("user {name} cannot be looked up"))
}

fn find_group(name: &str) -> Result<Gid> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(name);
    let found = found.with_context(|| format!("group {name} cannot be looked up"))?;
    found.map(|group| group.gid).with_context(|| {
        format!("webvirtmgr-console.service has group {name}, which does not exist: getent group lists them")
    })
}

/// systemd's dynamic users have no entry where its NSS module is missing.
fn nameless(uid: Uid) -> User {
    User {
        name: uid.to_string(),
        passwd: c"".to_owned(),
        uid,
        // The process's is put in its place.
        gid: Gid::from_raw(uid.as_raw()),
        gecos: c"".to_owned(),
        dir: "/nonexistent".into(),
        shell: "/usr/sbin/nologin".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_groups_are_added_to_its_users() {
        let unit = Unit { group: Some("4".into()), groups: vec!["5".into()], ..Unit::default() };
        let eyes = Eyes::of_unit(&unit, "root").unwrap().unwrap();
        assert_eq!((eyes.uid(), eyes.user.gid), (Uid::from_raw(0), Gid::from_raw(4)));
        assert!([4, 5].iter().all(|&gid| eyes.groups.contains(&Gid::from_raw(gid))));
        let by_number = Eyes::of_unit(&unit, "0").unwrap().unwrap();
        assert_eq!(by_number.user.name, "root");
    }

    #[test]
    fn a_user_that_is_not_there_is_an_error_unless_systemd_makes_it() {
        let name = "no-such-user-anywhere";
        let mut unit = Unit::default();
        let error = Eyes::of_unit(&unit, name).unwrap_err();
        assert!(format!("{error:#}").contains(name), "{error:#}");
        unit.is_dynamic = true;
        assert!(Eyes::of_unit(&unit, name).unwrap().is_none());
    }
}
