//! A consumer: one subscription, whose credit turns prefetch and a slow socket into what its queue may hand out.

pub mod actor;
pub mod credit;
pub(crate) mod desk;
pub(crate) mod hall;
pub mod messages;
pub mod unheard;
pub mod windows;
