//! Runtime parameters and global parameters in the machine: JSON that it keeps and does not read.

use types::ShortStr;

use super::Machine;
use crate::{ClusterLimit, Event};

/// A runtime parameter that lies in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterRef<'a> {
    /// Its vhost.
    pub vhost: &'a ShortStr,
    /// Whose parameter it is.
    pub component: &'a ShortStr,
    /// Its name.
    pub name: &'a ShortStr,
    /// JSON.
    pub value: &'a str,
}

impl Machine {
    /// The name of the global parameter that is the cluster's name, a JSON string.
    pub const CLUSTER_NAME: &str = "cluster_name";

    /// The value of a runtime parameter, as JSON.
    pub fn parameter(&self, vhost: &[u8], component: &[u8], name: &[u8]) -> Option<&str> {
        self.vhosts.get(vhost)?.parameters.get(component)?.get(name).map(|value| &**value)
    }

    /// All runtime parameters, by vhost, component and name.
    pub fn parameters(&self) -> impl Iterator<Item = ParameterRef<'_>> {
        self.vhosts.values().flat_map(|room| {
            let vhost = &room.vhost.name;
            room.parameters.iter().flat_map(move |(component, values)| {
                values.iter().map(move |(name, value)| ParameterRef { vhost, component, name, value })
            })
        })
    }

    /// The value of a global parameter, as JSON.
    pub fn global_parameter(&self, name: &[u8]) -> Option<&str> {
        self.global_parameters.get(name).map(|value| &**value)
    }

    /// All global parameters: name and value, as JSON.
    pub fn global_parameters(&self) -> impl Iterator<Item = (&ShortStr, &str)> {
        self.global_parameters.iter().map(|(name, value)| (name, &**value))
    }

    /// A limit of the whole cluster that is in force: the global parameter of that name, where it is a number.
    pub fn cluster_limit(&self, limit: ClusterLimit) -> Option<u64> {
        self.global_parameter(limit.as_str().as_bytes())?.trim().parse().ok()
    }

    /// Sets a parameter of a vhost that is there; whether there was another before.
    pub(crate) fn put_parameter(
        &mut self,
        (vhost, component, name): (&ShortStr, &ShortStr, &ShortStr),
        value: &str,
        events: &mut Vec<Event>,
    ) -> bool {
        let room = self.vhosts.get_mut(vhost).expect("the vhost was looked up");
        let (vhost, component, name) = (room.vhost.name.clone(), component.compact(), name.compact());
        let values = room.parameters.entry(component.clone()).or_default();
        let replaced = values.insert(name.clone(), value.into()).is_some();
        events.push(Event::ParameterChanged { vhost, component, name });
        replaced
    }

    pub(crate) fn remove_parameter(
        &mut self,
        (vhost, component, name): (&ShortStr, &ShortStr, &ShortStr),
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(room) = self.vhosts.get_mut(vhost) else { return false };
        let Some(values) = room.parameters.get_mut(component) else { return false };
        if values.remove(name).is_none() {
            return false;
        }
        if values.is_empty() {
            room.parameters.remove(component);
        }
        let vhost = room.vhost.name.clone();
        events.push(Event::ParameterChanged { vhost, component: component.compact(), name: name.compact() });
        true
    }

    /// Sets a global parameter; whether there was another before.
    pub(crate) fn put_global_parameter(&mut self, name: &ShortStr, value: &str, events: &mut Vec<Event>) -> bool {
        let name = name.compact();
        events.push(Event::GlobalParameterChanged { name: name.clone() });
        self.global_parameters.insert(name, value.into()).is_some()
    }

    pub(crate) fn remove_global_parameter(&mut self, name: &ShortStr, events: &mut Vec<Event>) -> bool {
        let Some((name, _)) = self.global_parameters.remove_entry(name) else { return false };
        events.push(Event::GlobalParameterChanged { name });
        true
    }
}
