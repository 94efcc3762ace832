//! `user.*` and `group.*`: the process's credentials.

use super::super::catalogue::{family, number, text};
use super::super::value::Value;
use crate::model::Ids;

/// Names other than root's live in the container's own files, which detection does not read.
const ONLY_ROOT: &str = "known for root only; compare the number instead";

family! { User {
    Uid = number("user.uid", "Effective user id.");
    Name = text("user.name", "Name of the effective user.").of_few().limit(ONLY_ROOT);
    LoginUid = number("user.loginuid", "User id of the login session, -1 when there is none.");
    LoginName = text("user.loginname", "Name of the login session's user.").of_few().limit(ONLY_ROOT);
    Gid = number("group.gid", "Effective group id.");
    GroupName = text("group.name", "Name of the effective group.").of_few().limit(ONLY_ROOT);
} }

/// Without ids there is no user: a process that is not known is not root.
pub(super) fn get(ids: Option<&Ids>, field: User) -> Value<'_> {
    let Some(ids) = ids else {
        return Value::Missing;
    };
    match field {
        User::Uid => Value::number(ids.euid),
        User::Name => name(Some(ids.euid)),
        User::LoginUid => Value::number(ids.login_uid.map_or(-1, i64::from)),
        User::LoginName => name(ids.login_uid),
        User::Gid => Value::number(ids.egid),
        User::GroupName => name(Some(ids.egid)),
    }
}

fn name(id: Option<u32>) -> Value<'static> {
    if id == Some(0) {
        Value::text(b"root")
    } else {
        Value::Missing
    }
}
