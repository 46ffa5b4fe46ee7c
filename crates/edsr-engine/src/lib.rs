//! The pure core of edsr.

pub mod bundle;
pub mod expr;
pub mod policy;
pub mod template;
