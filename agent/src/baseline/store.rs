//! What was learnt, from one run to the next: an SQLite database with a row for each workload.
//!
//! A row is the profile's canonical file with its evidence, and how its classes stood: a class that
//! was armed stays so although something new came since, which the evidence alone does not tell. What
//! reviewed files say is not in it: who takes a file away takes back what it said.

mod error;
mod standings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use rustix::rand::{GetRandomFlags, getrandom};

pub use self::error::BaselineStoreError;
use super::evidence::NodeId;
use super::file::{self, Evidence};
use super::profile::Profile;
use super::workload::Workload;
use crate::state_dir;

/// Name of the file in the state directory.
const FILE: &str = "baselines.db";
/// What a file that cannot be read is called from then on.
const DAMAGED: &str = "baselines.db.damaged";
/// Number of the present form of the file.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS node (id INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS profile (
        workload TEXT PRIMARY KEY NOT NULL,
        file TEXT NOT NULL,
        standings TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS unreadable (
        workload TEXT NOT NULL,
        file TEXT NOT NULL,
        standings TEXT NOT NULL,
        why TEXT NOT NULL
    );";

/// The store of a node.
#[derive(Debug)]
pub struct BaselineStore {
    connection: Connection,
}

/// What a store held when it was opened.
#[derive(Debug)]
pub struct Kept {
    /// Who learns: the key of this store's evidence.
    pub node: NodeId,
    /// The profiles.
    pub profiles: BTreeMap<Workload, Profile>,
    /// What cannot be used any more, in sentences.
    pub lost: Vec<String>,
}

impl BaselineStore {
    /// Opens the store in that directory, or makes one. A file that is damaged is put aside, and the
    /// store begins anew; a row that cannot be read is kept apart, and the others are used.
    ///
    /// # Errors
    /// A newer version wrote it, or it can be neither used nor put aside.
    pub fn open(directory: &Path) -> Result<(Self, Kept), BaselineStoreError> {
        state_dir::prepare(directory)?;
        let path = directory.join(FILE);
        match Self::open_file(&path) {
            Err(error) if error.is_damage() => {
                let aside = put_aside(&path)?;
                let (store, mut kept) = Self::open_file(&path)?;
                kept.lost.push(format!(
                    "The store of baselines is damaged ({error}): it is kept as {}, and learning \
                     begins anew.",
                    aside.display()
                ));
                Ok((store, kept))
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path) -> Result<(Self, Kept), BaselineStoreError> {
        let connection = Connection::open(path)?;
        // A file that was made by somebody else may hold code.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > FORMAT {
            let path = path.to_owned();
            return Err(BaselineStoreError::Newer { path, found });
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        let mut store = Self { connection };
        let node = store.node()?;
        let (profiles, lost) = store.read()?;
        let kept = Kept {
            node,
            profiles,
            lost,
        };
        Ok((store, kept))
    }

    /// The key of this store, made with it: a node that lost its store counts anew, so it may not go
    /// on under the old one.
    fn node(&mut self) -> Result<NodeId, BaselineStoreError> {
        let known = self
            .connection
            .query_row("SELECT id FROM node", [], |row| row.get::<_, i64>(0));
        match known {
            Ok(id) => Ok(NodeId(id.cast_unsigned())),
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                let mut bytes = [0; 8];
                getrandom(&mut bytes, GetRandomFlags::empty())
                    .map_err(|error| BaselineStoreError::NoRandomNumbers(error.into()))?;
                let id = u64::from_le_bytes(bytes);
                self.connection
                    .execute("INSERT INTO node (id) VALUES (?1)", [id.cast_signed()])?;
                Ok(NodeId(id))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) -> Result<(BTreeMap<Workload, Profile>, Vec<String>), BaselineStoreError> {
        let mut profiles = BTreeMap::new();
        let mut unreadable = Vec::new();
        let mut statement = self
            .connection
            .prepare("SELECT workload, file, standings FROM profile")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            match of_row(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?) {
                Ok((workload, profile)) if workload.text() == name => {
                    profiles.insert(workload, profile);
                }
                Ok((workload, _)) => unreadable.push((name, format!("it is of {workload}"))),
                Err(why) => unreadable.push((name, why)),
            }
        }
        drop(rows);
        drop(statement);
        let lost = unreadable.iter().map(|(name, why)| {
            format!(
                "The profile of {name} cannot be read ({why}): it is kept apart, and learnt anew."
            )
        });
        let lost = lost.collect();
        self.keep_apart(&unreadable)?;
        Ok((profiles, lost))
    }

    fn keep_apart(&mut self, unreadable: &[(String, String)]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for (workload, why) in unreadable {
            transaction.execute(
                "INSERT INTO unreadable (workload, file, standings, why) \
                 SELECT workload, file, standings, ?2 FROM profile WHERE workload = ?1",
                params![workload, why],
            )?;
            transaction.execute("DELETE FROM profile WHERE workload = ?1", [workload])?;
        }
        transaction.commit()
    }

    /// Keeps these profiles, all or none.
    ///
    /// # Errors
    /// SQLite or the disk: what was kept before stays.
    pub fn keep(&mut self, changed: &[(Workload, Profile)]) -> Result<(), BaselineStoreError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO profile (workload, file, standings) VALUES (?1, ?2, ?3)",
            )?;
            for (workload, profile) in changed {
                insert.execute(params![
                    workload.text(),
                    profile.to_yaml(workload, Evidence::With),
                    standings::write(profile),
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn of_row(text: &str, standings: &str) -> Result<(Workload, Profile), String> {
    let (workload, mut profile) =
        file::read(text, "the store").map_err(|error| error.to_string())?;
    standings::read(standings, &mut profile)?;
    Ok((workload, profile))
}

/// Gives a damaged file a name under which nobody looks for it, and its log with it.
fn put_aside(path: &Path) -> Result<PathBuf, BaselineStoreError> {
    let aside = path.with_file_name(DAMAGED);
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(end);
        match fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(aside)
}
