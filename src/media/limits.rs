//! Bounds of the media of one call, each with its unit and its reason.

use std::time::Duration;

/// Octets of one RTP or RTCP packet. Longer ones are dropped as malformed: 100 ms of G.711 is 812, an Ethernet frame 1500.
pub const PACKET_OCTETS_MAX: usize = 1500;

/// Octets of the shortest datagram of a fax: its number, the length of what it carries, and how many copies of others follow
/// (ITU-T T.38 §9.1). Shorter ones are dropped as malformed.
pub const UDPTL_OCTETS_MIN: usize = 4;

/// RTP packets a second from one side, sustained. G.711 at 20 ms is 50, at 5 ms 200. What is above is dropped.
pub const RTP_PER_SECOND: u32 = 250;

/// RTP packets one side may send at once after a pause (a network that held them back delivers them together).
pub const RTP_BURST: u32 = 250;

/// RTCP packets a second from one side. RFC 3550 asks for one in five seconds; some telephones send two a second.
pub const RTCP_PER_SECOND: u32 = 20;

/// RTCP packets one side may send at once.
pub const RTCP_BURST: u32 = 20;

/// How long after a description a source at another address than the described one may be taken for a party behind
/// NAT. Short, because that is the time in which a stranger who guesses the port competes with it.
pub const LATCH_WINDOW: Duration = Duration::from_secs(5);

/// How long a port rests before another call gets it, so that late packets of the old call find nobody.
pub const PORT_REST: Duration = Duration::from_secs(2);

/// Packets a stream may be ahead in sequence numbers before it counts as a new one (RFC 3550 A.1 MAX_DROPOUT).
pub const DROPOUT_MAX: u16 = 3000;

/// Packets a stream may be behind before it counts as a new one (RFC 3550 A.1 MAX_MISORDER).
pub const MISORDER_MAX: u16 = 100;

/// Packets the tap waits for a missing one. Four are 80 ms at 20 ms: real reordering is one or two. A later one is lost.
pub const REORDER_PACKETS: usize = 4;

/// Octets (samples) of one packet the tap keeps out of order: 120 ms. A longer packet is heard only when in order.
pub const REORDER_OCTETS_MAX: usize = 960;

/// Samples of concealment for one gap: 60 ms, faded to silence. What is missing beyond is left out.
pub const CONCEALED_SAMPLES_MAX: usize = 480;

/// Samples a timestamp may be ahead and still be a gap; beyond (1 s) it is a new time line and nothing is concealed.
pub const GAP_SAMPLES_MAX: u32 = 8000;

/// Samples of silence that a pause of a sender of Opus leaves in what is scored: it is heard of every 400 ms while it says nothing
/// (RFC 7587 §3.1.3). What is longer is left out.
pub const PAUSE_SAMPLES_MAX: usize = 3360;

/// Milliseconds of Opus a second from one side, sustained: a packet of 120 ms costs what six of 20 ms cost, so their number
/// says little. Nobody speaks faster than time goes by. What is above is dropped.
pub const OPUS_MS_PER_SECOND: u32 = 1500;

/// Octets of a packet of Opus that is silence: what encoders make of it (`f8 ff fe`), or less.
pub const OPUS_QUIET_OCTETS_MAX: usize = 3;

/// Milliseconds of Opus that one side may send at once after a pause (a network that held them back delivers them together).
pub const OPUS_MS_BURST: u32 = 4000;

/// Seconds of one call that are not scored because they hold nothing but the calling tone of a fax machine: half a minute of
/// calling. Anybody can play it, so further ones are scored as ever.
pub const CALLING_TONES_MAX: u64 = 10;

/// Hop buffers of one tapped call, 16 kB each: one being filled, one with the scorer. With none left the audio is
/// left out and counted: late scores are worth less than a live relay.
pub const HOPS_PER_CALL: usize = 2;

/// Sources (SSRC) one key of an encrypted leg is used with, 32 octets each, for either direction. A call has one or two;
/// each party it is transferred to brings another. Packets of further ones are dropped and counted: to forget a source
/// would be to forget which of its packets were sent or heard.
pub const SOURCES_MAX: usize = 32;

/// Clips said one after the other without a pause. Further ones are not said.
pub const CLIPS_MAX: usize = 16;

/// Packets of ours that are sent at once when the thread was held up: 100 ms, what any telephone's buffer evens out. After
/// a longer delay the stream goes on from now.
pub const CATCH_UP_FRAMES: u32 = 5;

/// Events of a talk with a party that nobody fetched yet. They are fetched every 20 ms; past it the newest is dropped.
pub const TALK_EVENTS_MAX: usize = 32;

/// Of these, room that keys leave for the end of words and of listening: one for each side, and one that was heard, before
/// and after a new saying.
pub const TALK_ENDS_MAX: usize = 6;

/// Less speech than this is a click or a cough, and no word.
pub const SPEECH_MIN: Duration = Duration::from_millis(300);

/// Octets of audio that one packet may have to be translated: 100 ms, more than any phone sends at once. A longer one crosses
/// as it is: what it costs to translate grows with it.
pub const TRANSLATED_OCTETS_MAX: usize = 800;

/// Music that gives way begins when the other party has been quiet for so long, and so again.
pub const GIVE_WAY: std::time::Duration = std::time::Duration::from_secs(1);

/// How long a handshake for the keys of a leg may last (DTLS-SRTP). Past it there are none, and nothing of the leg's audio is let
/// through. A lost flight costs less than a second; whoever needs longer than this will not come.
pub const DTLS_TIME_MAX: Duration = Duration::from_secs(10);

/// When a flight of a handshake goes out again the first time, and then after twice as long each time. RFC 6347 §4.2.4.1 has a
/// second, for whatever it carries; a person waits for audio.
pub const DTLS_RETRANSMIT_MIN: Duration = Duration::from_millis(400);

/// The longest wait before a flight goes out again.
pub const DTLS_RETRANSMIT_MAX: Duration = Duration::from_millis(3200);

/// Octets of one datagram of ours in a handshake: what every path carries. A flight is one of them, seldom two.
pub const DTLS_DATAGRAM_OCTETS_MAX: usize = 1200;

/// Octets of one message of a handshake. The longest is a certificate with those that signed it; a longer one is dropped.
pub const DTLS_MESSAGE_OCTETS_MAX: usize = 8 * 1024;

/// Octets of messages of one handshake that are not whole yet, or came too early. Further ones are dropped, and come again.
pub const DTLS_HELD_OCTETS_MAX: usize = 16 * 1024;

/// Messages that one may be ahead of the next: a flight has five. A later one is dropped, and comes again.
pub const DTLS_AHEAD_MAX: u16 = 8;

/// Pieces of one message that do not touch each other. A further one is dropped, and comes again.
pub const DTLS_PIECES_MAX: usize = 16;

/// Octets of a cookie (RFC 6347 §4.2.1: one octet has its length).
pub const DTLS_COOKIE_OCTETS_MAX: usize = 255;

/// How often a client may begin anew, or another in its place, with one description. Each costs a signature and an exchange of
/// keys. Past it the handshake goes on with the last one.
pub const DTLS_RESTARTS_MAX: u8 = 8;

/// As many more for who comes from where the description says that the party is, when others have used those up.
pub const DTLS_RESTARTS_RESERVED: u8 = 4;

/// Datagrams of handshakes that one port takes a second, and at once; as many again from where the description says that the party is.
/// A handshake has four flights, of some three datagrams each. Apart from those of the audio, so that neither uses up the other's.
pub const DTLS_PER_SECOND: u32 = 20;
/// The same at once: two handshakes. Past either a datagram is dropped.
pub const DTLS_BURST: u32 = 40;

/// How long who was answered in a handshake is waited for while another asks from no better an address.
pub const DTLS_TURN: Duration = Duration::from_secs(1);

/// How often a flight is said again because the other side repeats its own. Past it only time repeats it.
pub const DTLS_ECHOES_MAX: u8 = 16;

/// Datagrams of a handshake that wait to be sent; they wait for the end of one turn. Past it a flight is not repeated.
pub const DTLS_OUTBOX_MAX: usize = 4;
