//! What every actor of a broker shares and none of them changes by itself: the ground they stand on.

mod alarms;
mod authority;
mod bell;
mod here;
mod life;
mod near;
mod seats;
mod settings;
mod spin;
mod worker;
mod workers;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use leveret_protocol::types::FieldTable;

use crate::journal::store::Journals;
use crate::name::Name;
use crate::vhost::VhostHandle;

pub use alarms::{Alarm, Alarms, Observer, Raised};
pub use authority::{Access, Authority, Login, LoginRefused, Resource, User, Users};
pub(crate) use bell::polls;
pub(crate) use here::{Entered, Here};
pub use life::Context;
pub(crate) use life::{run, start, start_near};
pub(crate) use near::{Listener, Listens, Near, untold};
pub use seats::{Seat, Seats};
pub use settings::{FreeSpace, Settings};
pub(crate) use spin::{expect_more, moved};
pub use worker::Worker;
pub(crate) use worker::mailbox;
pub use workers::{WorkerId, Workers};

/// One broker's settings, threads, alarms and virtual hosts.
pub struct Node {
    /// As set at start.
    pub settings: Settings,
    /// The threads.
    pub workers: Workers,
    /// Keep what is persistent; none when everything ends with the process.
    pub journals: Option<Journals>,
    /// What runs low.
    pub alarms: Alarms,
    /// connection.start, the same for every client, once it was written for the first.
    pub(crate) greeting: OnceLock<Bytes>,
    vhosts: ArcSwap<imbl::HashMap<Name, Arc<VhostHandle>>>,
}

impl Node {
    pub(crate) fn new(settings: Settings, workers: Workers, journals: Option<Journals>) -> Self {
        Node {
            settings,
            workers,
            journals,
            alarms: Alarms::default(),
            greeting: OnceLock::new(),
            vhosts: ArcSwap::default(),
        }
    }

    /// The virtual host of that name.
    pub fn vhost(&self, name: &str) -> Option<Arc<VhostHandle>> {
        self.vhosts.load().get(name).cloned()
    }

    /// All virtual hosts, in no order.
    pub fn vhosts(&self) -> impl Iterator<Item = Arc<VhostHandle>> + use<> {
        let snapshot = imbl::HashMap::clone(&self.vhosts.load());
        snapshot.into_iter().map(|(_, vhost)| vhost)
    }

    pub(crate) fn put_vhost(&self, vhost: Arc<VhostHandle>) {
        self.vhosts
            .rcu(|vhosts| vhosts.update(vhost.name.clone(), Arc::clone(&vhost)));
    }

    /// What connection.start says of the broker.
    pub(crate) fn server_properties(&self) -> FieldTable {
        let mut capabilities = FieldTable::default();
        for capability in [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ] {
            capabilities.insert(capability, true);
        }
        let mut properties = FieldTable::default();
        properties.insert("capabilities", capabilities);
        properties.insert("cluster_name", self.settings.cluster_name.as_str());
        properties.insert("copyright", "Copyright the Leveret authors");
        let durability = self.journals.as_ref().map(Journals::durability);
        let durability = durability.map_or_else(|| "none".to_owned(), |when| when.to_string());
        properties.insert("durability", durability.as_str());
        properties.insert("information", "Licensed under the Apache License 2.0");
        properties.insert("platform", concat!("Rust ", env!("CARGO_PKG_RUST_VERSION")));
        properties.insert("product", self.settings.product.as_str());
        properties.insert("version", self.settings.version.as_str());
        properties
    }
}
