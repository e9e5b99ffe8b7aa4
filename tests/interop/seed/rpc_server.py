import pika


def func(msg):
    return 'return ' + msg.decode()


def on_request(ch, method, props, body):
    print('Request content %r' % body)
    response = func(body)

    ch.basic_publish(exchange='',
                     # 生产端随机生成的queue
                     routing_key=props.reply_to,
                     body=response,
                     # 获取UUID唯一 字符串数值
                     properties=pika.BasicProperties(
                         correlation_id=props.correlation_id))


if __name__ == '__main__':
    credentials = pika.PlainCredentials('guest', 'guest')
    parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()

    channel.queue_declare(queue='rpc_queue')
    channel.basic_consume(queue="rpc_queue",
                          auto_ack=True,
                          on_message_callback=on_request)
    print("Waiting RPC requests")
    channel.start_consuming()
