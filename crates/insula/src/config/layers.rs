//! Flags over environment over file over defaults, remembering for each value where it came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map},
};
use toml::{Table, Value};

use super::{
    Config,
    file::{ConfigFile, Place},
    problem::{Problem, Problems},
    reference::{self, sections},
};

/// What a configuration is made of. Its `Debug` shows no value: many are secrets, of others too.
#[derive(Default)]
pub struct Sources {
    /// The file, where there is one.
    pub file: Option<PathBuf>,
    /// Environment variables; those that are not ours are passed over.
    pub env: BTreeMap<String, String>,
    /// Values given as flags.
    pub flags: Vec<Flag>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A value given as a flag.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, such as `--listen`.
    pub flag: &'static str,
    /// The key that it sets, such as `server.listen`.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// The file, and the place in it.
    File(PathBuf, Option<Place>),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, Some(Place { line, column })) => write!(f, "file {}:{line}:{column}", path.display()),
            Origin::File(path, None) => write!(f, "file {}", path.display()),
            Origin::Env(name) => write!(f, "env {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A configuration that holds, with the origin of each of its values.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Puts the sources together; refuses with everything that is wrong.
    pub fn from(sources: &Sources) -> Result<Self, Problems> {
        let file = sources.file.as_deref().map(ConfigFile::read).transpose()?;
        let (layers, origins) = layers(sources, file.as_ref())?;
        let figment = layers.into_iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
        let config: Config = figment.extract().map_err(|error| explain(error, &origins))?;
        let loaded = Self { config, origins };
        let problems: Vec<Problem> = loaded.config.faults().into_iter().map(|fault| loaded.locate(fault)).collect();
        if problems.is_empty() { Ok(loaded) } else { Err(Problems(problems)) }
    }

    /// Where the value of a key such as `server.listen` or `providers.0.name` came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    fn locate(&self, fault: Fault) -> Problem {
        let says = match self.origin(&fault.key) {
            Origin::File(path, Some(Place { line, column })) => {
                format!("{}:{line}:{column}: {} {}", path.display(), fault.key, fault.says)
            }
            Origin::Default => format!("{} {}", fault.key, fault.says),
            origin => format!("{origin}: {} {}", fault.key, fault.says),
        };
        Problem::new(says).fix(fault.fix)
    }
}

/// A value that is well written but cannot be.
#[derive(Debug)]
pub struct Fault {
    /// The key.
    pub key: String,
    /// What is wrong with it, to be read after the key.
    pub says: String,
    /// What to do about it.
    pub fix: String,
}

/// One source's values, under the name that errors call it by.
struct Layer {
    name: String,
    values: Table,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        figment::providers::Serialized::defaults(&self.values).data()
    }
}

fn layers(sources: &Sources, file: Option<&ConfigFile>) -> Result<(Vec<Layer>, BTreeMap<String, Origin>), Problems> {
    let mut origins = BTreeMap::new();
    let defaults = sections().into_iter().filter(|spec| !spec.repeated);
    let defaults = defaults.map(|spec| (spec.name.to_owned(), Value::Table(spec.defaults))).collect();
    let mut layers = vec![Layer { name: "the defaults".into(), values: defaults }];
    if let Some(file) = file {
        note_file(file, "", &file.values, &mut origins);
        layers.push(Layer { name: file.path.display().to_string(), values: file.values.clone() });
    }
    let mut problems = Vec::new();
    for (key, origin, value) in overrides(sources) {
        match value {
            Ok(value) => layers.push(Layer { name: origin.to_string(), values: nested(&key, value) }),
            Err(expected) => problems.push(Problem::new(format!("{origin}: {expected}")).fix(reference::advise_value(&key))),
        }
        origins.insert(key, origin);
    }
    if problems.is_empty() { Ok((layers, origins)) } else { Err(Problems(problems)) }
}

/// What the environment and then the flags say: key, origin, value.
fn overrides(sources: &Sources) -> Vec<(String, Origin, Result<Value, String>)> {
    let mut found = Vec::new();
    for section in sections().iter().filter(|spec| !spec.repeated) {
        for key in &section.keys {
            let dotted = format!("{}.{}", section.name, key.name);
            let set = reference::variables(section.name, key.name).into_iter().find_map(|name| {
                let text = sources.env.get(&name)?;
                Some((name, text))
            });
            if let Some((name, text)) = set {
                found.push((dotted.clone(), Origin::Env(name), (key.read)(text)));
            }
            for flag in sources.flags.iter().filter(|flag| flag.key == dotted) {
                found.push((dotted.clone(), Origin::Flag(flag.flag), (key.read)(&flag.value)));
            }
        }
    }
    found
}

/// Notes the file as the origin of every value in it.
fn note_file(file: &ConfigFile, prefix: &str, table: &Table, origins: &mut BTreeMap<String, Origin>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => note_file(file, &format!("{key}."), inner, origins),
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for (i, item) in items.iter().enumerate() {
                    if let Value::Table(inner) = item {
                        note_file(file, &format!("{key}.{i}."), inner, origins);
                    }
                }
            }
            _ => drop(origins.insert(key.clone(), Origin::File(file.path.clone(), file.place(&key)))),
        }
    }
}

/// `server.listen` and a value as a table in a table.
fn nested(key: &str, value: Value) -> Table {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let inner = Table::from_iter([(name.to_owned(), value)]);
    Table::from_iter([(section.to_owned(), Value::Table(inner))])
}

/// The file was checked on its own, so what is wrong now came from the environment or a flag.
fn explain(error: figment::Error, origins: &BTreeMap<String, Origin>) -> Problems {
    let explained = error.into_iter().map(|error| {
        let key = error.path.join(".");
        let origin = origins.get(&key).unwrap_or(&Origin::Default);
        Problem::new(format!("{origin}: {}", error.kind)).fix(reference::advise_value(&key))
    });
    Problems(explained.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(
        file: Option<&str>,
        env: &[(&str, &str)],
        flags: &[(&'static str, &'static str, &str)],
    ) -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("insula.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let sources = Sources {
            file: file.map(|_| path),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            flags: flags.iter().map(|(flag, key, value)| Flag { flag, key, value: (*value).to_owned() }).collect(),
        };
        (dir, sources)
    }

    fn refusal(sources: &Sources) -> String {
        Loaded::from(sources).map(drop).unwrap_err().to_string()
    }

    const POSTGRES: &str = "postgres://app:hunter2@db/insula";
    const FILE: &str = "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"warn\"\n[bounds]\ninflight_max = 7\n";

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let env = [("INSULA_LISTEN", "127.0.0.1:2"), ("INSULA_LOG_LEVEL", "debug"), ("HOME", "x")];
        let (_dir, sources) = sources(Some(FILE), &env, &[("--listen", "server.listen", "127.0.0.1:3")]);
        let loaded = Loaded::from(&sources).unwrap();
        let (config, file) = (&loaded.config, sources.file.clone().unwrap());
        assert_eq!((config.server.listen.port(), config.log.level.as_str(), config.bounds.inflight_max), (3, "debug", 7));
        assert_eq!(config.storage, crate::config::Storage::default());
        assert_eq!(loaded.origin("server.listen"), &Origin::Flag("--listen"));
        assert_eq!(loaded.origin("log.level"), &Origin::Env("INSULA_LOG_LEVEL".into()));
        assert_eq!(loaded.origin("bounds.inflight_max"), &Origin::File(file, Some(Place { line: 6, column: 1 })));
        assert_eq!(loaded.origin("storage.data_dir"), &Origin::Default);
    }

    #[test]
    fn every_key_can_be_set_by_its_variable() {
        for section in sections().iter().filter(|section| !section.repeated) {
            for key in &section.keys {
                let default = section.defaults.get(key.name);
                let absent = match (section.name, key.name, key.kind) {
                    ("coordination", _, "URL") => "redis://:hunter2@cache",
                    (_, _, "URL") => POSTGRES,
                    ("vectors", "qdrant_url", _) => "http://qdrant:6334",
                    _ => "x",
                };
                let text = default.map_or(absent.to_owned(), |value| value.as_str().map_or(value.to_string(), str::to_owned));
                let name = reference::variables(section.name, key.name).pop().unwrap();
                // What several nodes need, beside which everything may stand; for its own key the short name comes first.
                let beside = [("INSULA_STORAGE_POSTGRES_URL", POSTGRES), (&name, &text)];
                let (_dir, sources) = sources(None, &beside, &[]);
                let loaded = Loaded::from(&sources).unwrap_or_else(|problems| panic!("{name}={text}: {problems}"));
                assert_eq!(loaded.origin(&format!("{}.{}", section.name, key.name)), &Origin::Env(name));
            }
        }
    }

    #[test]
    fn a_wrong_variable_is_named_with_its_fix() {
        for (name, text) in
            [("INSULA_LISTEN", "nowhere"), ("INSULA_BOUNDS_INFLIGHT_MAX", "many"), ("INSULA_BOUNDS_INFLIGHT_MAX", "-1")]
        {
            let (_dir, sources) = sources(None, &[(name, text)], &[]);
            let said = refusal(&sources);
            assert!(said.starts_with(&format!("env {name}: ")) && said.contains("\n  fix: "), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_is_named_with_its_place() {
        let file = "[[providers]]\nname = \"a\"\nbase_url = \"https://me:secret@a/v1\"\n[[providers]]\nname = \"a\"\n";
        let (_dir, sources) = sources(Some(file), &[], &[]);
        let said = refusal(&sources);
        assert!(said.contains("insula.toml:3:1: providers.0.base_url holds a user name or password"), "{said}");
        assert!(said.contains("insula.toml:5:1: providers.1.name is \"a\", as another provider's"), "{said}");
        assert!(said.contains("providers.1.base_url is missing"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    #[test]
    fn shared_storage_is_configured_and_its_secrets_are_masked() {
        let env = [("INSULA_POSTGRES_URL", POSTGRES), ("INSULA_REDIS_URL", "rediss://:hunter2@cache")];
        let (_dir, sources) = sources(Some("[storage]\npostgres_connections_max = 4\n"), &env, &[]);
        let loaded = Loaded::from(&sources).unwrap();
        let storage = &loaded.config.storage;
        assert_eq!(storage.shared().unwrap().unwrap().database(), "insula");
        assert_eq!((storage.shared_keys().unwrap().is_none(), storage.postgres_connections_max.get()), (true, 4));
        assert_eq!(loaded.origin("storage.postgres_url"), &Origin::Env("INSULA_POSTGRES_URL".into()));
        let shown = format!("{loaded:?} {sources:?} {:?}", crate::config::show::rows(&loaded));
        assert!(shown.contains("app:***@db") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_several_nodes_need_is_checked_without_repeating_secrets() {
        let redis = ("INSULA_REDIS_URL", "redis://:hunter2@cache");
        let postgres = ("INSULA_POSTGRES_URL", POSTGRES);
        for (env, expected) in [
            (vec![redis], "env INSULA_REDIS_URL: coordination.redis_url is set without storage.postgres_url"),
            (vec![("INSULA_STORAGE_KEYS_POSTGRES_URL", POSTGRES)], "storage.keys_postgres_url is set without"),
            (vec![("INSULA_POSTGRES_URL", "mysql://app:hunter2@db/insula")], "does not begin with postgres://"),
            (vec![("INSULA_POSTGRES_URL", "postgres://hunter2")], "names its user and its database"),
            (vec![("INSULA_POSTGRES_URL", "postgres://app:hun@ter2@db/insula")], "percent-encoded"),
            (vec![("INSULA_POSTGRES_URL", "hunter2")], "not a URL"),
            (vec![postgres, ("INSULA_REDIS_URL", "http://:hunter2@cache")], "does not begin with redis://"),
        ] {
            let (_dir, sources) = sources(None, &env, &[]);
            let said = refusal(&sources);
            assert!(said.contains(expected) && said.contains("\n  fix: ") && !said.contains("ter2"), "{said}");
        }
    }

    #[test]
    fn a_secret_in_a_wrong_place_of_the_file_is_not_repeated() {
        for line in ["postgres_connections_max = \"postgres://app:hunter2@db/insula\"", "postgres_url = \"hunter2\""] {
            let (_dir, sources) = sources(Some(&format!("[storage]\n{line}\n")), &[], &[]);
            let said = refusal(&sources);
            assert!(said.contains("insula.toml:2:") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_wrong_level_is_refused() {
        let (_dir, sources) = sources(Some("[log]\nlevel = \"loud=very\"\n"), &[], &[]);
        assert!(refusal(&sources).contains("insula.toml:2:1: log.level"), "{}", refusal(&sources));
    }
}
