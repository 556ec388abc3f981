//! What the configuration says about one client: its classes, its lease, its options.

use core::net::Ipv4Addr;
use core::time::Duration;

use super::request::Request;
use super::trace::Level;
use crate::engine::Discard;
use crate::view::{
    Claims, ClassSet, LeaseTerms, Machine, Network, OptionSet, OptionValue, PoolTerms, View,
};
use crate::wire::dhcp4::CodeSet;
use crate::wire::dhcp4_options::code;

/// The classes that the sender of `request` belongs to.
pub(super) fn classes_of(request: &Request<'_>, view: &View, known: bool) -> ClassSet {
    if view.classes.is_empty() {
        return ClassSet::EMPTY;
    }
    view.classes.of(&Claims {
        client: &request.client,
        options: request.options,
        message: &request.message,
        known,
    })
}

/// Whether the sender may be answered at all.
///
/// # Errors
/// [`Discard::NotAllowed`] for a machine that the site does not know on a network for those that it
/// does, and for members of a class that is denied.
pub(super) fn check_access(
    request: &Request<'_>,
    network: &Network,
    view: &View,
) -> Result<(), Discard> {
    let denied = view.classes.denied();
    if !network.known_only && denied == ClassSet::EMPTY {
        return Ok(());
    }
    let known = request.machine(view).is_some();
    if network.known_only && !known || classes_of(request, view, known).meets(denied) {
        return Err(Discard::NotAllowed);
    }
    Ok(())
}

/// What the levels of the configuration say to one client: machine, classes, pool, network, all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy<'v> {
    view: &'v View,
    network: &'v Network,
    machine: Option<&'v Machine>,
    classes: ClassSet,
    /// The terms of the pool that the client's address is of.
    terms: Option<&'v PoolTerms>,
    /// What any of the levels has, sends unasked, and puts in the place of the server's own.
    codes: CodeSet,
    always: CodeSet,
    replaced: CodeSet,
}

impl<'v> Policy<'v> {
    /// For a client that has or is given `address`.
    #[inline]
    pub(super) fn new(
        view: &'v View,
        network: &'v Network,
        machine: Option<&'v Machine>,
        classes: ClassSet,
        address: Option<Ipv4Addr>,
    ) -> Self {
        // Most networks have plain pools.
        let pool = match network.terms.is_empty() {
            true => None,
            false => address.and_then(|address| network.pool_of(address)),
        };
        let terms = pool.and_then(|pool| network.terms_of(pool));
        let [codes, always, replaced] = [CodeSet::EMPTY; 3];
        let mut policy = Self { view, network, machine, classes, terms, codes, always, replaced };
        if policy.is_plain() && network.options.is_empty() && view.options.is_empty() {
            return policy;
        }
        for (_, set) in policy.sets().filter(|(_, set)| !set.is_empty()) {
            policy.codes.extend(&set.codes());
            policy.always.extend(&set.always());
            policy.replaced.extend(&set.replaced());
        }
        policy
    }

    /// Whether nothing nearer to the client than its network can say anything.
    fn is_plain(&self) -> bool {
        self.machine.is_none() && self.classes == ClassSet::EMPTY && self.terms.is_none()
    }

    /// How long the address is lent to a client that wishes `wish_s` seconds (option 51).
    pub(super) fn lease(&self, wish_s: Option<u32>) -> Duration {
        let wish = wish_s.map(|seconds| Duration::from_secs(seconds.into()));
        if self.is_plain() {
            return self.network.lease.grant(wish);
        }
        let mut terms = self.machine.map_or(LeaseTerms::default(), |machine| machine.lease);
        for class in self.classes.iter().filter_map(|id| self.view.classes.find(id)) {
            terms = terms.or(class.lease);
        }
        let pool = self.terms.map_or(LeaseTerms::default(), |terms| terms.lease);
        terms.or(pool).or(self.network.lease).grant(wish)
    }

    /// The option `code`, as the nearest level has it.
    #[inline]
    pub(super) fn option(&self, code: u8) -> Option<(Level, &'v OptionValue)> {
        if self.codes.contains(code) { self.find(code) } else { None }
    }

    fn find(&self, code: u8) -> Option<(Level, &'v OptionValue)> {
        // What has a key of its own is said by the machine or the network.
        let named = match code {
            code::HOST_NAME if self.machine.is_some_and(|machine| machine.hostname.is_some()) => {
                Level::Machine
            }
            code::ROUTER if !self.network.routers.is_empty() => Level::Network,
            code::DOMAIN_NAME_SERVER if !self.network.dns.is_empty() => Level::Network,
            code::NTP_SERVER if !self.network.ntp.is_empty() => Level::Network,
            code::DOMAIN_NAME if self.network.domain.is_some() => Level::Network,
            _ => Level::Site,
        };
        for (level, set) in self.sets() {
            if let Some(value) = set.find(code) {
                return Some((level, value));
            }
            if level == named {
                return None;
            }
        }
        None
    }

    /// The option `code`, if it is to replace what the server itself would say.
    pub(super) fn replacement(&self, code: u8) -> Option<(Level, &'v OptionValue)> {
        if !self.replaced.contains(code) {
            return None;
        }
        self.option(code).filter(|(_, value)| value.replaces)
    }

    /// The codes that some level has.
    pub(super) const fn codes(&self) -> CodeSet {
        self.codes
    }

    /// The codes that some level gives to clients that do not ask for them.
    pub(super) const fn always(&self) -> CodeSet {
        self.always
    }

    /// The codes that some level has in the place of the server's own.
    pub(super) const fn replaced(&self) -> CodeSet {
        self.replaced
    }

    /// The levels, the nearest to the client first.
    fn sets(&self) -> impl Iterator<Item = (Level, &'v OptionSet)> + use<'v> {
        let Self { view, network, machine, classes, terms, .. } = *self;
        let machine = machine.map(|machine| (Level::Machine, &machine.options));
        let classes = classes.iter().filter_map(move |id| {
            let class = view.classes.find(id)?;
            Some((Level::Class(id), &class.options))
        });
        let pool = terms.map(|terms| (Level::Pool, &terms.options));
        let rest = [(Level::Network, &network.options), (Level::Site, &view.options)];
        machine.into_iter().chain(classes).chain(pool).chain(rest)
    }
}
