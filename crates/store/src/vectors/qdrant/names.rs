//! What collections and points are called.

use insula_model::{DocumentId, TenantId, VectorCollection};
use sha2::{Digest, Sha256};

use super::proto::{PointId, point_id::Kind};

/// A collection of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Collection {
    /// The one tenant whose points it holds; any tenant's where absent.
    pub owner: Option<TenantId>,
    /// The numbers of each vector.
    pub dimension: u64,
}

impl Collection {
    /// The one of this kind that a tenant's points of this length are in.
    pub fn of(kind: VectorCollection, tenant: TenantId, dimension: u64) -> Self {
        let owner = match kind {
            VectorCollection::Shared => None,
            VectorCollection::Own => Some(tenant),
        };
        Self { owner, dimension }
    }

    /// Of which kind it is.
    pub fn kind(self) -> VectorCollection {
        if self.owner.is_some() { VectorCollection::Own } else { VectorCollection::Shared }
    }
}

/// How this installation's collections are told from those of others.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// All names begin with this.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The name of a collection. A tenant's cannot be one that tenants share, because the word behind the prefix is another.
    pub fn of(&self, collection: Collection) -> String {
        let Collection { owner, dimension } = collection;
        match owner {
            None => format!("{}-shared-{dimension}", self.prefix),
            Some(tenant) => format!("{}-tenant-{}-{dimension}", self.prefix, tenant.bare()),
        }
    }

    /// The collection of this name, if it is one of ours.
    pub fn read(&self, name: &str) -> Option<Collection> {
        let rest = name.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let collection = match rest.strip_prefix("shared-") {
            Some(dimension) => Collection { owner: None, dimension: dimension.parse().ok()? },
            None => {
                let (tenant, dimension) = rest.strip_prefix("tenant-")?.split_once('-')?;
                Collection { owner: Some(TenantId::from_bare(tenant)?), dimension: dimension.parse().ok()? }
            }
        };
        // `+7` and `007` are read as numbers, and are names of somebody else.
        (self.of(collection) == name).then_some(collection)
    }
}

/// The id of a chunk's point: a hash of whose it is, so that no tenant's point has another's id. A chunk's number is never given
/// twice and its vector in a space never changes, so whoever writes a point writes the same: writers need not wait for each other.
pub(super) fn point_id(tenant: TenantId, space: u64, document: DocumentId, chunk: u64) -> PointId {
    let mut hash = Sha256::new();
    hash.update(b"insula point");
    hash.update(tenant.as_bytes());
    hash.update(space.to_be_bytes());
    hash.update(document.as_bytes());
    hash.update(chunk.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    // A UUID of version 8, whose bits are the maker's own (RFC 9562).
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    PointId { kind: Some(Kind::Uuid(uuid)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    #[test]
    fn names_are_read_back_and_nobody_elses_is() {
        let names = Names::new("insula");
        let own = Collection { owner: Some(tenant(7)), dimension: 384 };
        let shared = Collection { owner: None, dimension: 384 };
        assert_eq!(names.of(shared), "insula-shared-384");
        for collection in [own, shared] {
            assert_eq!(names.read(&names.of(collection)), Some(collection));
            assert_eq!(Names::new("insula2").read(&names.of(collection)), None);
            assert_eq!(Names::new("ins").read(&names.of(collection)), None);
        }
        for name in ["insula", "insula-shared-", "insula-shared-+7", "insula-shared-07", "insula-tenant-x-7", "other"] {
            assert_eq!(names.read(name), None, "{name}");
        }
        assert_eq!(Names::new("insula").read("insula-shared-shared-7"), None, "of an installation called insula-shared");
    }

    #[test]
    fn an_id_is_of_one_tenant_space_document_and_chunk() {
        let of = |t, space, d, chunk| point_id(tenant(t), space, DocumentId::from_bytes([d; 16]), chunk);
        let all = [of(1, 1, 1, 1), of(2, 1, 1, 1), of(1, 2, 1, 1), of(1, 1, 2, 1), of(1, 1, 1, 2)];
        for (i, id) in all.iter().enumerate() {
            assert!(!all[..i].contains(id));
        }
        assert_eq!(of(1, 1, 1, 1), all[0]);
        let Some(Kind::Uuid(text)) = &all[0].kind else { panic!("{:?}", all[0]) };
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'8'));
    }
}
