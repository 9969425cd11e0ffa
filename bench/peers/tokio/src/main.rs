// Echo on tokio with tokio-util's codecs, one task a connection, on a
// current-thread runtime:
//
//	tokio_echo PORT line   LinesCodec
//	tokio_echo PORT len4   LengthDelimitedCodec
//
// Answers are fed to the sink while the next message is there already, and
// flushed when it is not.
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};

const MOST: usize = 128 << 20;

async fn echo<F, T, R, E>(mut framed: F) -> Result<(), E>
where
    F: Stream<Item = Result<T, E>> + Sink<R, Error = E> + Unpin,
    R: From<T>,
{
    let mut next = framed.next().await;
    while let Some(message) = next {
        framed.feed(message?.into()).await?;
        next = match framed.next().now_or_never() {
            Some(ready) => ready,
            None => {
                framed.flush().await?;
                framed.next().await
            }
        };
    }
    Ok(())
}

async fn serve(socket: TcpStream, lines: bool) {
    let _ = socket.set_nodelay(true);
    if lines {
        let _ = echo::<_, String, String, _>(Framed::new(socket, LinesCodec::new_with_max_length(MOST))).await;
    } else {
        let codec = LengthDelimitedCodec::builder().max_frame_length(MOST).new_codec();
        let _ = echo::<_, bytes::BytesMut, bytes::Bytes, _>(Framed::new(socket, codec)).await;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let address = format!("127.0.0.1:{}", arguments[1]);
    let lines = arguments[2] == "line";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            if let Ok((socket, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(socket, lines));
            }
        }
    });
}
