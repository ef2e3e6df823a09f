//! Reference corpora, and who may read them: looked up in memory; stored, and then in force on every node.
//!
//! The one place where a tenant's grant becomes a [`CorpusGrant`]. Operators hold what writes: the scope of a corpus's own home.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use insula_model::{
    CorpusGrant, CorpusId, Error, ErrorKind, Name, ReferenceCorpus, Result, ScopeSource, TenantId, TenantScope, Timestamp,
};
use insula_store::{CorpusGrantRow, ErasureReceipt};

use super::{Credential, Directory, Operator};

/// Corpora of a platform.
const CORPORA_MAX: u64 = 10_000;

/// Corpora that one tenant may read: a search may have to look into each of them.
const GRANTS_PER_TENANT_MAX: u64 = 32;

/// A corpus in an operator's hands.
#[derive(Debug, Clone)]
pub struct OperatedCorpus {
    /// Who does it.
    pub by: Operator,
    /// What opens its home, to write there too.
    pub scope: TenantScope,
    /// The corpus.
    pub entry: Arc<ReferenceCorpus>,
}

/// The same of one that is to be erased, which may have begun.
#[derive(Debug, Clone)]
pub struct LeavingCorpus(pub OperatedCorpus);

/// A corpus that a tenant may read, as it was found to be a moment ago.
#[derive(Debug, Clone)]
pub struct GrantedCorpus {
    /// What opens it, to be read.
    pub grant: CorpusGrant,
    /// The corpus.
    pub entry: Arc<ReferenceCorpus>,
    /// Since when it may.
    pub granted_at: Timestamp,
}

/// All corpora and grants in memory.
#[derive(Debug, Default)]
pub(super) struct Corpora {
    /// Ordered by id, which is the order of creation.
    known: BTreeMap<CorpusId, Arc<ReferenceCorpus>>,
    /// Names stay with their corpora.
    names: HashMap<String, CorpusId>,
    grants: BTreeMap<TenantId, BTreeMap<CorpusId, Timestamp>>,
}

impl Directory {
    /// The corpus that a path names by name or id, for an operator.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] for everybody else, whatever the path names; [`ErrorKind::NotFound`] where there is no such corpus.
    pub fn operated_corpus(&self, credential: &Credential, path: &str) -> Result<OperatedCorpus> {
        let LeavingCorpus(corpus) = self.leaving_corpus(credential, path)?;
        if corpus.entry.erasing { Err(no_such_corpus()) } else { Ok(corpus) }
    }

    /// The same, also where its erasure has begun, so that it can be completed.
    pub fn leaving_corpus(&self, credential: &Credential, path: &str) -> Result<LeavingCorpus> {
        let by = credential.operator()?;
        let entry = self.register.read().corpora.find(path).cloned().ok_or_else(no_such_corpus)?;
        let scope = TenantScope::mint(entry.id.home(), ScopeSource::Operator);
        Ok(LeavingCorpus(OperatedCorpus { by, scope, entry }))
    }

    /// Up to `count` corpora in order of creation, from the one after `after`.
    pub(crate) fn corpora_after(&self, after: Option<CorpusId>, count: usize) -> Vec<Arc<ReferenceCorpus>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let register = self.register.read();
        let served = register.corpora.known.range((from, Bound::Unbounded)).map(|(_, corpus)| corpus);
        served.filter(|corpus| !corpus.erasing).take(count).cloned().collect()
    }

    /// Whether a home is a corpus's that is served.
    pub(crate) fn is_corpus(&self, home: TenantId) -> bool {
        self.register.read().corpora.served(CorpusId::of_home(home)).is_some()
    }

    /// All corpora that the tenant of `scope` may read, in order of their names.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] while this node may have missed that a grant was taken back.
    pub(crate) fn granted_corpora(&self, scope: &TenantScope) -> Result<Vec<GrantedCorpus>> {
        self.check_current()?;
        let register = self.register.read();
        let grants = register.corpora.grants.get(&scope.tenant()).into_iter().flatten();
        let mut granted: Vec<_> =
            grants.filter_map(|(id, at)| Some(granted(scope, register.corpora.served(*id)?, *at))).collect();
        granted.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        Ok(granted)
    }

    /// The corpus of this name or id, where the tenant of `scope` may read it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where it may not, in the words for one that never was; [`ErrorKind::Unavailable`] as above.
    pub(crate) fn granted_corpus(&self, scope: &TenantScope, name: &str) -> Result<GrantedCorpus> {
        self.check_current()?;
        let register = self.register.read();
        let corpus = register.corpora.find(name).filter(|corpus| !corpus.erasing).ok_or_else(no_such_grant)?;
        let grants = register.corpora.grants.get(&scope.tenant());
        let at = grants.and_then(|grants| grants.get(&corpus.id)).ok_or_else(no_such_grant)?;
        Ok(granted(scope, corpus, *at))
    }

    /// Stores a new corpus, and makes its home.
    pub(crate) async fn create_corpus(&self, corpus: ReferenceCorpus) -> Result<Arc<ReferenceCorpus>> {
        let _turn = self.platform_turn().await;
        self.store.create_corpus(&corpus, CORPORA_MAX).await?;
        Ok(self.show_corpus(corpus).await)
    }

    /// Gives a corpus another title.
    pub(crate) async fn retitle_corpus(&self, corpus: CorpusId, title: &Name) -> Result<Arc<ReferenceCorpus>> {
        let _turn = self.platform_turn().await;
        let stored = self.store.control().retitle_corpus(corpus, title).await.map_err(gone)?;
        Ok(self.show_corpus(stored).await)
    }

    /// Erases a corpus: shut to everybody first, on every node, then destroyed in the store with all grants, then forgotten. When the
    /// store fails on the way it stays shut, and the same call again goes on where it stopped.
    pub(crate) async fn erase_corpus(&self, corpus: &LeavingCorpus) -> Result<ErasureReceipt> {
        let LeavingCorpus(OperatedCorpus { scope, entry, .. }) = corpus;
        let _turn = self.platform_turn().await;
        self.store.begin_erasure(scope, self.clock.now()).await.map_err(gone)?;
        self.show_corpus(ReferenceCorpus { erasing: true, ..(**entry).clone() }).await;
        let receipt = self.store.erase_tenant(scope, self.clock.now()).await?;
        self.publish(|| self.register.write().corpora.remove(entry.id)).await;
        Ok(receipt)
    }

    /// Lets a tenant read a corpus. Granting twice changes nothing.
    pub(crate) async fn grant_corpus(&self, scope: &TenantScope, name: &str) -> Result<GrantedCorpus> {
        let tenant = scope.tenant();
        let _turn = self.turn(tenant).await?;
        let corpus = self.register.read().corpora.find(name).filter(|corpus| !corpus.erasing).cloned();
        let corpus = corpus.ok_or_else(no_such_corpus)?;
        let row = CorpusGrantRow { tenant, corpus: corpus.id, granted_at: self.clock.now() };
        let row = self.store.control().grant_corpus(row, GRANTS_PER_TENANT_MAX).await.map_err(gone)?;
        self.publish(|| self.register.write().corpora.put_grant(&row)).await;
        Ok(granted(scope, &corpus, row.granted_at))
    }

    /// Takes a grant back: the next search finds nothing there, on any node.
    pub(crate) async fn revoke_corpus(&self, tenant: TenantId, name: &str) -> Result<CorpusId> {
        let _turn = self.turn(tenant).await?;
        let corpus = self.register.read().corpora.find(name).map(|corpus| corpus.id).ok_or_else(no_such_corpus)?;
        self.store.control().revoke_corpus(tenant, corpus).await.map_err(gone)?;
        self.publish(|| self.register.write().corpora.remove_grant(tenant, corpus)).await;
        Ok(corpus)
    }

    /// Lets a corpus that is stored be seen as it is.
    async fn show_corpus(&self, corpus: ReferenceCorpus) -> Arc<ReferenceCorpus> {
        let entry = Arc::new(corpus);
        self.publish(|| self.register.write().corpora.put(Arc::clone(&entry))).await;
        entry
    }
}

impl Corpora {
    /// From what is stored.
    pub(super) fn new(known: Vec<ReferenceCorpus>, grants: Vec<CorpusGrantRow>) -> Self {
        let mut corpora = Self::default();
        corpora.renew(known);
        grants.iter().for_each(|row| corpora.put_grant(row));
        corpora
    }

    /// Shows these corpora and no others; the homes of those that are shut or gone.
    pub(super) fn renew(&mut self, known: Vec<ReferenceCorpus>) -> Vec<TenantId> {
        let before: BTreeSet<CorpusId> = self.known.keys().copied().collect();
        (self.known, self.names) = Default::default();
        known.into_iter().for_each(|corpus| self.put(Arc::new(corpus)));
        for grants in self.grants.values_mut() {
            grants.retain(|corpus, _| self.known.contains_key(corpus));
        }
        before.into_iter().filter(|id| self.served(*id).is_none()).map(|id| id.home()).collect()
    }

    /// Shows these grants of a tenant and no others.
    pub(super) fn renew_grants(&mut self, tenant: TenantId, grants: Vec<CorpusGrantRow>) {
        if grants.is_empty() {
            self.grants.remove(&tenant);
        } else {
            self.grants.insert(tenant, grants.into_iter().map(|row| (row.corpus, row.granted_at)).collect());
        }
    }

    /// Forgets a tenant's grants.
    pub(super) fn forget_reader(&mut self, tenant: TenantId) {
        self.grants.remove(&tenant);
    }

    fn find(&self, name: &str) -> Option<&Arc<ReferenceCorpus>> {
        match name.parse::<CorpusId>() {
            Ok(id) => self.known.get(&id),
            Err(_) => self.known.get(self.names.get(name)?),
        }
    }

    fn served(&self, id: CorpusId) -> Option<&Arc<ReferenceCorpus>> {
        self.known.get(&id).filter(|corpus| !corpus.erasing)
    }

    fn put(&mut self, corpus: Arc<ReferenceCorpus>) {
        self.names.insert(corpus.name.to_string(), corpus.id);
        self.known.insert(corpus.id, corpus);
    }

    fn put_grant(&mut self, row: &CorpusGrantRow) {
        self.grants.entry(row.tenant).or_default().insert(row.corpus, row.granted_at);
    }

    fn remove_grant(&mut self, tenant: TenantId, corpus: CorpusId) {
        if let Some(grants) = self.grants.get_mut(&tenant) {
            grants.remove(&corpus);
        }
    }

    fn remove(&mut self, corpus: CorpusId) {
        self.known.remove(&corpus);
        self.names.retain(|_, named| *named != corpus);
        for grants in self.grants.values_mut() {
            grants.remove(&corpus);
        }
    }
}

fn granted(scope: &TenantScope, entry: &Arc<ReferenceCorpus>, granted_at: Timestamp) -> GrantedCorpus {
    GrantedCorpus { grant: CorpusGrant::mint(scope, entry.id), entry: Arc::clone(entry), granted_at }
}

/// What an operator is told.
fn no_such_corpus() -> Error {
    Error::new(ErrorKind::NotFound, "no such corpus, or no such grant; GET /api/v1/corpora lists the corpora")
}

/// What a tenant is told, whether there is a corpus of that name or not.
fn no_such_grant() -> Error {
    Error::new(ErrorKind::NotFound, "no such corpus; GET .../corpora lists those that this tenant may read")
}

/// The store finds nothing: in the words for it.
fn gone(error: Error) -> Error {
    if *error.kind() == ErrorKind::NotFound { no_such_corpus() } else { error }
}
