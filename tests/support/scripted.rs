//! RabbitMQ played by hand, for what the real one does not do on demand.
//!
//! The codec is amq-protocol's: what the client says is read, and what it hears is written, by
//! code that nobody here wrote.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::{
    AMQPClass, BasicProperties, basic, channel, confirm, connection, exchange, queue,
};
use amq_protocol::types::FieldTable;

use super::PATIENCE;

/// Where agents connect. Accepts nobody until told.
pub struct ScriptedBroker {
    listener: TcpListener,
    /// Where it listens.
    pub port: u16,
}

impl ScriptedBroker {
    /// Listens on a free port of 127.0.0.1.
    pub fn new() -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into())
    }

    /// Listens on a free port of `address`.
    pub fn on(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// The next client, which comes in time.
    pub fn accept(&self) -> Peer {
        self.accept_within(PATIENCE).unwrap_or_else(|| panic!("nobody came within {PATIENCE:?}"))
    }

    /// The next client, or none within `patience`.
    pub fn accept_within(&self, patience: Duration) -> Option<Peer> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match self.listener.accept() {
                Ok((stream, _)) => return Some(Peer::new(stream)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(2)),
                Err(e) => panic!("accept: {e}"),
            }
        }
        None
    }
}

/// Requests of a client, in the usual order; what they are answered with is in [`Peer::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    StartOk,
    TuneOk,
    Open,
    ChannelOpen,
    ExchangeDeclare,
    QueueDeclare,
    QueueBind,
    ConfirmSelect,
    Publish,
    Close,
}

/// A frame as it came, before anybody has made sense of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// 1 method, 2 header, 3 body, 8 heartbeat.
    pub kind: u8,
    pub channel: u16,
    pub payload: Vec<u8>,
}

/// A message as the client published it.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    pub channel: u16,
    pub exchange: String,
    pub routing_key: String,
    pub mandatory: bool,
    pub properties: BasicProperties,
    pub body: Vec<u8>,
}

/// One client.
pub struct Peer {
    /// The socket, for faults that are not AMQP's.
    pub stream: TcpStream,
    /// What Tune proposes: channel_max, frame_max (bytes), heartbeat (s).
    pub tune: (u16, u32, u16),
    received: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, tune: (2047, 131_072, 60), received: Vec::new() }
    }

    /// Plays a normal broker from the start until the client's request `step` has come, and
    /// leaves that one unanswered.
    pub fn handshake_until(&mut self, step: Step) -> (u16, AMQPClass) {
        self.expect_header();
        self.send_start(FieldTable::default());
        self.serve_until(step)
    }

    /// Answers as a normal broker until `step` has come, and leaves that one unanswered.
    pub fn serve_until(&mut self, step: Step) -> (u16, AMQPClass) {
        loop {
            let (channel, method) = self.read_method();
            if step_of(&method) == Some(step) {
                return (channel, method);
            }
            self.answer(channel, &method);
        }
    }

    /// Reads as a normal broker until one of both has come, and tells which. A message is read whole.
    pub fn serve_until_either(&mut self, one: Step, other: Step) -> Step {
        loop {
            match self.read() {
                AMQPFrame::Method(channel, method) => match step_of(&method) {
                    Some(step) if step == one || step == other => return step,
                    _ => self.answer(channel, &method),
                },
                AMQPFrame::Heartbeat | AMQPFrame::Header(..) | AMQPFrame::Body(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The client's protocol header, which must be that of AMQP 0-9-1.
    pub fn expect_header(&mut self) {
        self.receive(8).unwrap_or_else(|e| panic!("no protocol header: {e}"));
        let header: Vec<u8> = self.received.drain(..8).collect();
        assert_eq!(header, b"AMQP\x00\x00\x09\x01");
    }

    /// Connection.Start with these server properties.
    pub fn send_start(&mut self, server_properties: FieldTable) {
        let (mechanisms, locales) = ("PLAIN AMQPLAIN".into(), "en_US".into());
        let start =
            connection::Start { version_major: 0, version_minor: 9, server_properties, mechanisms, locales };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)));
    }

    /// The next message, its frames put together. Anything else before it is answered as a normal
    /// broker would.
    pub fn read_publish(&mut self) -> Publish {
        let (channel, AMQPClass::Basic(basic::AMQPMethod::Publish(publish))) =
            self.serve_until(Step::Publish)
        else {
            unreachable!()
        };
        let AMQPFrame::Header(on, header) = self.read() else { panic!("no content header after Publish") };
        assert_eq!((on, header.class_id), (channel, 60));
        let mut body = Vec::new();
        while (body.len() as u64) < header.body_size {
            match self.read() {
                AMQPFrame::Body(on, piece) if on == channel => body.extend(piece),
                AMQPFrame::Heartbeat => {}
                other => panic!("expected the rest of a body, got {other:?}"),
            }
        }
        assert_eq!(body.len() as u64, header.body_size);
        Publish {
            channel,
            exchange: publish.exchange.to_string(),
            routing_key: publish.routing_key.to_string(),
            mandatory: publish.mandatory,
            properties: header.properties,
            body,
        }
    }

    /// Basic.Ack.
    pub fn ack(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        let ack = basic::Ack { delivery_tag, multiple };
        self.send(channel, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)));
    }

    /// Basic.Nack.
    pub fn nack(&mut self, channel: u16, delivery_tag: u64, multiple: bool) {
        let nack = basic::Nack { delivery_tag, multiple, requeue: false };
        self.send(channel, AMQPClass::Basic(basic::AMQPMethod::Nack(nack)));
    }

    /// Connection.Close.
    pub fn close(&mut self, reply_code: u16, reply_text: &str) {
        let close =
            connection::Close { reply_code, reply_text: reply_text.into(), class_id: 0, method_id: 0 };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)));
    }

    /// Channel.Close.
    pub fn close_channel(&mut self, channel: u16, reply_code: u16, reply_text: &str) {
        let close = channel::Close { reply_code, reply_text: reply_text.into(), class_id: 0, method_id: 0 };
        self.send(channel, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
    }

    /// A method, encoded by amq-protocol.
    pub fn send(&mut self, channel: u16, method: AMQPClass) {
        self.send_frame(&AMQPFrame::Method(channel, method));
    }

    /// A frame, encoded by amq-protocol.
    pub fn send_frame(&mut self, frame: &AMQPFrame) {
        let encoded = gen_frame(frame)(WriteContext::from(Vec::new())).expect("amq-protocol encodes it");
        self.send_raw(&encoded.write);
    }

    /// A method frame with arguments of any bytes.
    pub fn send_method(&mut self, channel: u16, class: u16, method: u16, args: &[u8]) {
        let payload = [&class.to_be_bytes(), &method.to_be_bytes(), args].concat();
        let size = u32::try_from(payload.len()).unwrap();
        let frame = [&[1][..], &channel.to_be_bytes(), &size.to_be_bytes(), &payload, &[0xCE]].concat();
        self.send_raw(&frame);
    }

    /// Any bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_else(|e| panic!("the client does not take bytes: {e}"));
    }

    /// The next method and its channel; heartbeats are passed over.
    pub fn read_method(&mut self) -> (u16, AMQPClass) {
        loop {
            match self.read() {
                AMQPFrame::Method(channel, method) => return (channel, method),
                AMQPFrame::Heartbeat => {}
                other => panic!("expected a method, got {other:?}"),
            }
        }
    }

    /// The next frame, decoded by amq-protocol.
    pub fn read(&mut self) -> AMQPFrame {
        let size = self.frame_size().unwrap_or_else(|e| panic!("no frame: {e}"));
        let bytes: Vec<u8> = self.received.drain(..size).collect();
        let (rest, frame) = parse_frame(&bytes[..]).unwrap_or_else(|e| panic!("{e:?} in frame {bytes:02x?}"));
        assert!(rest.is_empty(), "{rest:02x?} left over of frame {bytes:02x?}");
        frame
    }

    /// The next frame as it came. Panics where none comes; see [`Peer::read_end`] for that.
    pub fn read_frame(&mut self) -> RawFrame {
        let size = self.frame_size().unwrap_or_else(|e| panic!("no frame: {e}"));
        let bytes: Vec<u8> = self.received.drain(..size).collect();
        assert_eq!(bytes[size - 1], 0xCE, "frame end of {bytes:02x?}");
        RawFrame {
            kind: bytes[0],
            channel: u16::from_be_bytes([bytes[1], bytes[2]]),
            payload: bytes[7..size - 1].to_vec(),
        }
    }

    /// Reads until the client has closed its side or reset the connection, which it does within
    /// `patience`. What came before is dropped.
    pub fn read_end(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return,
                Ok(_) if Instant::now() < deadline => {}
                other => panic!("the client holds the connection after {patience:?}: {other:?}"),
            }
        }
    }

    /// Answers a request as a normal broker does. Requests that a publisher does not make panic.
    pub fn answer(&mut self, channel: u16, request: &AMQPClass) {
        use AMQPClass::{Channel, Confirm, Connection, Exchange, Queue};
        let answer = match request {
            Connection(connection::AMQPMethod::StartOk(_)) => {
                let (channel_max, frame_max, heartbeat) = self.tune;
                let tune = connection::Tune { channel_max, frame_max, heartbeat };
                Connection(connection::AMQPMethod::Tune(tune))
            }
            Connection(connection::AMQPMethod::TuneOk(_) | connection::AMQPMethod::CloseOk(_)) => return,
            Connection(connection::AMQPMethod::Open(_)) => {
                Connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}))
            }
            Connection(connection::AMQPMethod::Close(_)) => {
                Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
            }
            Channel(channel::AMQPMethod::Open(_)) => Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})),
            Channel(channel::AMQPMethod::Close(_)) => {
                Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))
            }
            Channel(channel::AMQPMethod::CloseOk(_)) => return,
            Exchange(exchange::AMQPMethod::Declare(_)) => {
                Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))
            }
            Queue(queue::AMQPMethod::Declare(declare)) => {
                let queue = declare.queue.clone();
                let ok = queue::DeclareOk { queue, message_count: 0, consumer_count: 0 };
                Queue(queue::AMQPMethod::DeclareOk(ok))
            }
            Queue(queue::AMQPMethod::Bind(_)) => Queue(queue::AMQPMethod::BindOk(queue::BindOk {})),
            Confirm(confirm::AMQPMethod::Select(_)) => {
                Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))
            }
            other => panic!("a normal broker has no answer to {other:?}"),
        };
        self.send(channel, answer);
    }

    /// Receives a whole frame; its size with header and end.
    fn frame_size(&mut self) -> std::io::Result<usize> {
        self.receive(7)?;
        let size = &self.received[3..7];
        let size = 8 + u32::from_be_bytes(size.try_into().unwrap()) as usize;
        self.receive(size)?;
        Ok(size)
    }

    /// Receives until there are `n` bytes at least.
    fn receive(&mut self, n: usize) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while self.received.len() < n {
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.received.extend(&buffer[..read]),
            }
        }
        Ok(())
    }
}

fn step_of(request: &AMQPClass) -> Option<Step> {
    use AMQPClass::{Basic, Channel, Confirm, Connection, Exchange, Queue};
    Some(match request {
        Connection(connection::AMQPMethod::StartOk(_)) => Step::StartOk,
        Connection(connection::AMQPMethod::TuneOk(_)) => Step::TuneOk,
        Connection(connection::AMQPMethod::Open(_)) => Step::Open,
        Connection(connection::AMQPMethod::Close(_)) => Step::Close,
        Channel(channel::AMQPMethod::Open(_)) => Step::ChannelOpen,
        Exchange(exchange::AMQPMethod::Declare(_)) => Step::ExchangeDeclare,
        Queue(queue::AMQPMethod::Declare(_)) => Step::QueueDeclare,
        Queue(queue::AMQPMethod::Bind(_)) => Step::QueueBind,
        Confirm(confirm::AMQPMethod::Select(_)) => Step::ConfirmSelect,
        Basic(basic::AMQPMethod::Publish(_)) => Step::Publish,
        _ => return None,
    })
}
